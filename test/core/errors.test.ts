import { describe, expect, it } from 'vitest';
import { ERROR_CODES, SrsError } from '../../src/core/errors.js';

describe('errors', () => {
  it('carry the SIP status and the retry verdict of their code', () => {
    const error = new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'no codec in common');
    expect([error.sipStatus, error.retryable, error.code]).toEqual([488, false, 'SRS_SDP_NOT_ACCEPTABLE']);
    expect(new SrsError('SRS_STT_TIMEOUT', 'too long').retryable).toBe(true);
  });

  it('keep a foreign error as the cause', () => {
    const cause = new TypeError('x is not a function');
    const error = SrsError.from(cause);
    expect([error.code, error.message, error.cause]).toEqual(['SRS_INTERNAL', 'x is not a function', cause]);
    expect(SrsError.from(error)).toBe(error);
    expect(SrsError.from('a string').message).toBe('a string');
  });

  it('answer only with final failure responses of SIP', () => {
    const wrong = Object.entries(ERROR_CODES).filter(([, kind]) => kind.sipStatus < 400 || kind.sipStatus > 699);
    expect(wrong).toEqual([]);
  });
});
