import { SrsError } from '../../../src/core/errors.js';
import { Scope } from '../../../src/core/scope.js';
import type { SipLimits } from '../../../src/sip/limits.js';
import type { SipTimers } from '../../../src/sip/sip-timers.js';
import { TcpTransport } from '../../../src/sip/transport-tcp.js';
import { UdpTransport } from '../../../src/sip/transport-udp.js';
import { ControlPort } from './control-port.js';
import { SipSide } from './sip-side.js';

export interface DrachtioEmulatorOptions {
  readonly secret?: string;
  /** Short ones make a lost ACK a matter of a second. */
  readonly timers?: SipTimers;
  /** How long a second of a session interval lasts, in ms. */
  readonly secondMs?: number;
}

/** drachtio-server takes whole messages of 2 MB. */
const LIMITS: SipLimits = {
  maxMessageBytes: 2_000_000,
  maxHeadBytes: 2_000_000,
  maxHeaders: 2_000,
  maxUriBytes: 8_192,
};
const REAL_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 };

/**
 * A drachtio-server of version 0.9.10 as an application meets it: its control protocol on a real TCP port, SIP on real UDP and TCP
 * sockets, and its oddities. It puts the address that was reached in place of `localhost` in Contact; it looks at no Require; it adds
 * no Contact to 2xx inside a dialog; it refuses messages with lines over 8 KB; it reads nothing more from an application that sent
 * 12 KB at once; it answers 503 where no application asked for a method; when it dies, nobody is told of dialogs.
 */
export class DrachtioEmulator {
  readonly secret: string;
  readonly #options: DrachtioEmulatorOptions;
  #control: ControlPort | undefined;
  #sip: SipSide | undefined;
  #scope = new Scope('drachtio emulator');
  adminPort = 0;
  udp = 0;
  tcp = 0;

  private constructor(options: DrachtioEmulatorOptions) {
    this.#options = options;
    this.secret = options.secret ?? 'cymru';
  }

  static async start(options: DrachtioEmulatorOptions = {}): Promise<DrachtioEmulator> {
    const emulator = new DrachtioEmulator(options);
    await emulator.#open();
    return emulator;
  }

  get control(): ControlPort {
    if (this.#control === undefined) throw new SrsError('SRS_INTERNAL', 'the emulator is down');
    return this.#control;
  }

  get sip(): SipSide {
    if (this.#sip === undefined) throw new SrsError('SRS_INTERNAL', 'the emulator is down');
    return this.#sip;
  }

  /** As a kill does: all sockets close, and nobody hears of it. Idempotent. */
  async die(): Promise<void> {
    const [control, sip, scope] = [this.#control, this.#sip, this.#scope];
    this.#control = undefined;
    this.#sip = undefined;
    await control?.close();
    await sip?.close();
    await scope.close();
  }

  /** Starts anew on the same ports, with nothing remembered. */
  async rise(): Promise<void> {
    await this.#open();
  }

  async #open(): Promise<void> {
    const scope = new Scope('drachtio emulator');
    this.#scope = scope;
    const control = new ControlPort({
      secret: this.secret,
      hostPorts: () => `udp/127.0.0.1:${this.udp},tcp/127.0.0.1:${this.tcp}`,
      onMessage: (client, message) => sip.fromApplication(client, message),
      onGone: (client) => sip.forget(client),
    });
    const shared = {
      host: '127.0.0.1',
      onMessage: (arrival: Parameters<SipSide['receive']>[0]) => sip.receive(arrival),
    };
    const udp = new UdpTransport({ ...shared, port: this.udp });
    const tcp = new TcpTransport({ ...shared, port: this.tcp, limits: LIMITS });
    const { timers = REAL_TIMERS, secondMs = 1_000 } = this.#options;
    const sip = new SipSide({ control, scope, timers, secondMs, limits: LIMITS, transports: [udp, tcp] });
    await udp.start();
    await tcp.start();
    this.udp = udp.address.port;
    this.tcp = tcp.address.port;
    this.adminPort = await control.listen(this.adminPort);
    this.#control = control;
    this.#sip = sip;
  }
}
