/** Numbers of AMQP 0-9-1 that the fast paths need (sections 2.3.5, 4.2 and the class `basic`). */

export const FRAME_METHOD = 1;
export const FRAME_HEADER = 2;
export const FRAME_BODY = 3;
export const FRAME_HEARTBEAT = 8;
/** The last byte of each frame. */
export const FRAME_END = 0xCE;
/** Its type, its channel and the size of its payload. */
export const FRAME_HEAD_BYTES = 7;
/** What a frame has beside its payload. */
export const FRAME_OVERHEAD = FRAME_HEAD_BYTES + 1;

/** The number of the class, and those of its methods with the class before them. */
export const BASIC = 60;
export const BASIC_PUBLISH = BASIC << 16 | 40;
export const BASIC_DELIVER = BASIC << 16 | 60;
export const BASIC_ACK = BASIC << 16 | 80;
export const BASIC_REJECT = BASIC << 16 | 90;
export const BASIC_NACK = BASIC << 16 | 120;

/** The flags that say which properties a message has, in the order in which they follow. */
export const FLAG = {
  contentType: 1 << 15,
  contentEncoding: 1 << 14,
  headers: 1 << 13,
  deliveryMode: 1 << 12,
  priority: 1 << 11,
  correlationId: 1 << 10,
  replyTo: 1 << 9,
  expiration: 1 << 8,
  messageId: 1 << 7,
  timestamp: 1 << 6,
  type: 1 << 5,
  userId: 1 << 4,
  appId: 1 << 3,
  clusterId: 1 << 2,
} as const;
