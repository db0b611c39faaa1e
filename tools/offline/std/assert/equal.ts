function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Plain objects with and without a prototype are of one kind. */
function kindOf(value: object): object {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

function bytesOf(value: object): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return undefined;
}

/** A plain object is what it shows; an instance is all it has, its class included. */
function keysOf(value: object): Set<PropertyKey> {
  const kind = kindOf(value);
  if (kind === Object.prototype || kind === Array.prototype) {
    const own = Reflect.ownKeys(value);
    return new Set(own.filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)));
  }
  const keys = new Set<PropertyKey>();
  let holder: object | null = value;
  while (holder !== null && holder !== Object.prototype) {
    for (const key of Reflect.ownKeys(holder)) keys.add(key);
    holder = Object.getPrototypeOf(holder);
  }
  return keys;
}

/** Whether two values are the same in depth: `NaN` is itself, `0` is `-0`, classes must agree. */
export function equal(a: unknown, b: unknown): boolean {
  const compared = new Map<object, object>();

  function same(a: unknown, b: unknown): boolean {
    if (a === b || Object.is(a, b)) return true;
    if (!isObject(a) || !isObject(b) || kindOf(a) !== kindOf(b)) return false;
    if (compared.get(a) === b) return true;
    compared.set(a, b);
    if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
    if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
    const bytes = bytesOf(a);
    if (bytes) return sameItems(bytes, bytesOf(b)!);
    if (a instanceof Set) return sameEntries([...a], [...b as Set<unknown>]);
    if (a instanceof Map) return sameEntries([...a], [...b as Map<unknown, unknown>]);
    return sameProperties(a, b);
  }

  function sameItems(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
    if (a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) {
      if (!same(a[index], b[index])) return false;
    }
    return true;
  }

  function sameEntries(a: unknown[], b: unknown[]): boolean {
    if (a.length !== b.length) return false;
    const left = [...b];
    return a.every((entry) => {
      const index = left.findIndex((other) => same(entry, other));
      if (index !== -1) left.splice(index, 1);
      return index !== -1;
    });
  }

  function sameProperties(a: object, b: object): boolean {
    const [keysOfA, keysOfB] = [keysOf(a), keysOf(b)];
    if (keysOfA.size !== keysOfB.size) return false;
    return [...keysOfA].every((key) =>
      keysOfB.has(key) &&
      same((a as Record<PropertyKey, unknown>)[key], (b as Record<PropertyKey, unknown>)[key])
    );
  }

  return same(a, b);
}
