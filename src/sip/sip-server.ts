/**
 * The port through which SIPREC arrives. Two adapters: `EmbeddedSipServer`, a user-agent server of our own, and `DrachtioSipServer`,
 * an application of a drachtio-server.
 * The SIPREC floor above it (`siprec-door.ts`) sees dialogs and bodies, never transactions or sockets.
 */
export interface SipServer {
  /** Binds every configured transport; throws when one cannot be bound. */
  start(): Promise<void>;
  /** Where it listens, for Contact headers, logs and tests with port 0. */
  readonly addresses: readonly ListenAddress[];
  /** Waits a little for answers to BYEs, then closes the sockets. Dialogs are not ended by it. Idempotent. */
  stop(): Promise<void>;
}

export interface ListenAddress {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
}

/** A request as the door sees it. Header names are lower case, compact forms expanded; values in order of arrival. */
export interface SipRequestView {
  readonly method: string;
  readonly uri: string;
  readonly callId: string;
  header(name: string): string | undefined;
  headers(name: string): readonly string[];
  readonly body: Uint8Array;
  readonly source: { readonly transport: 'udp' | 'tcp' | 'tls'; readonly address: string; readonly port: number };
  /** The whole message as it was received, or as near to it as the front can tell. Valid until the handler's promise settles. */
  readonly raw: Uint8Array;
  /** Epoch ms. */
  readonly receivedAt: number;
}

export interface SipReply {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly type: string; readonly content: string };
}

/** What the application does with requests. Anything thrown becomes a final response in `failure.ts`. */
export interface SipHandlers {
  /** A new INVITE. The reply's 2xx makes the dialog; `session` then gets everything that follows in it. */
  invite(request: SipRequestView, dialog: SipDialogControl): Promise<{ reply: SipReply; session?: SipDialogHandlers }>;
  /** OPTIONS outside a dialog. */
  options(request: SipRequestView): SipReply;
}

/** The body of an ACK. */
export interface SipAck {
  readonly type: string | undefined;
  readonly content: Uint8Array;
  /** Epoch ms. */
  readonly receivedAt: number;
}

/** One dialog's events. */
export interface SipDialogHandlers {
  /**
   * re-INVITE or UPDATE, INFO or OPTIONS inside the dialog. What is resolved is told to the peer, also when it has taken a re-INVITE
   * back meanwhile: 200 for what was applied.
   */
  request(request: SipRequestView): Promise<SipReply>;
  /** ACK to the 2xx of an INVITE; its body is the answer when we made the offer (RFC 3264 delayed offer). */
  acknowledged?(ack: SipAck): void;
  /** The dialog is over. `bye` carries the request when the peer ended it. */
  ended(
    reason: 'bye' | 'ack_timeout' | 'cancelled' | 'session_expired' | 'transport' | 'local',
    bye?: SipRequestView,
  ): void;
}

export interface SipDialogControl {
  /** Our address as this peer reaches us, by the system's own routing: what Contact names and SDP should. */
  readonly localHost: string;
  /** Aborts when the INVITE is cancelled before its final response. */
  readonly cancelled: AbortSignal;
  /** Sends BYE; resolves when it was answered or timed out. */
  bye(reason?: string): Promise<void>;
  /**
   * Sends a request of ours inside the confirmed dialog and resolves with its final response, whatever its status; the front sends
   * the ACK to the answer of an INVITE and tries again after a 491. Throws `SRS_SIP_TIMEOUT`, or `SRS_SIP_DIALOG_STATE` when the
   * dialog is not confirmed, is over, or has a request of ours under way, and after T2 (4 s) when the application has not decided
   * about a request of the peer: who asks from inside `request` of the handlers would wait for itself.
   */
  request(request: SipDialogRequest): Promise<SipDialogResponse>;
}

/** A re-INVITE or UPDATE of ours. Contact, Supported and the session timer's headers are the front's. */
export interface SipDialogRequest {
  readonly method: 'INVITE' | 'UPDATE';
  /** True for a question whose answer may say anything: not even 481 or 408 ends the dialog then. */
  readonly optional?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly type: string; readonly content: string };
}

export interface SipDialogResponse {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Uint8Array;
}
