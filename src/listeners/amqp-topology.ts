/** Where events go at the broker. The default exchange is the empty name. */
export interface AmqpTopology {
  readonly queue: string;
  /** Empty = the default exchange, straight to the queue; else a durable topic exchange. */
  readonly exchange: string;
}

/** Rejected and expired messages of the queue go here. */
export const DEAD_LETTER_EXCHANGE = 'siprec.dlx';
/** What of a topic exchange the queue is bound to: the transcripts, as with the default exchange. */
export const QUEUE_BINDING = 'transcript.*';

/** Keeps what consumers reject until somebody looks at it. */
export function deadLetterQueue(queue: string): string {
  return `${queue}.dead`;
}

export interface AmqpRoute {
  readonly exchange: string;
  readonly routingKey: string;
  /** Whether the broker must hand the message back when no queue takes it. */
  readonly mandatory: boolean;
}

/**
 * The way of an event, or nothing when it has none. Straight to the queue go transcripts only: what consumers of other
 * SIPREC servers expect there. A topic exchange gets everything, and only what our own queue is bound to must arrive.
 */
export function routeOf(type: string, topology: AmqpTopology): AmqpRoute | undefined {
  const transcript = type.startsWith('transcript.');
  if (topology.exchange !== '') return { exchange: topology.exchange, routingKey: type, mandatory: transcript };
  return transcript ? { exchange: '', routingKey: topology.queue, mandatory: true } : undefined;
}
