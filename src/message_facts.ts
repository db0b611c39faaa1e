/** What events and log lines of a `Consumer` say of a message. */
export interface MessageFacts {
  /** The id of the message, if it has one. */
  readonly messageId: string | undefined;
  /** The queue it was consumed from. */
  readonly queueName: string;
  /** The routing key it was sent with. */
  readonly routingKey: string;
  /** Which attempt at the message it is, from 1, as far as anybody has counted. */
  readonly attempt: number;
}
