import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Metrics } from '../../src/core/metrics.js';
import { WARNING_CODES } from '../../src/core/warning.js';

const CONTRACT = [
  'siprec_whisper_cli_duration_seconds',
  'siprec_whisper_temp_file_bytes',
  'siprec_whisper_timeouts_total',
  'siprec_active_calls',
  'siprec_ports_in_use',
  'siprec_rtp_packets_received_total',
  'siprec_rtp_bytes_received_total',
  'siprec_rtp_dropped_packets_total',
  'siprec_sip_requests_total',
  'siprec_sip_responses_total',
  'siprec_stt_requests_total',
  'siprec_stt_latency_seconds',
  'siprec_stt_errors_total',
  'siprec_amqp_published_messages_total',
  'siprec_amqp_connection_status',
  'siprec_amqp_reconnect_attempts_total',
  'siprec_recording_duration_seconds',
  'siprec_recording_size_bytes',
  'siprec_recording_errors_total',
];

function sourceText(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sourceText(path);
      return path.endsWith('core/metrics.ts') ? '' : readFileSync(path, 'utf8');
    })
    .join('\n');
}

describe('metrics', () => {
  it('have every name of the outside contract', async () => {
    const names = (await new Metrics({ vendors: ['whisper'], models: ['base'] }).registry.getMetricsAsJSON()).map(
      (m) => m.name,
    );
    expect(CONTRACT.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('are each set somewhere in the program', () => {
    const metrics = new Metrics({ vendors: [], models: [] });
    const members = [
      ...Object.keys(metrics).filter((key) => key !== 'registry'),
      ...Object.getOwnPropertyNames(Metrics.prototype).filter((key) => key.startsWith('observe')),
    ];
    const text = sourceText('src');
    const unused = members.filter(
      (name) => name !== 'recordingSize' && !new RegExp(`metrics\\??\\.${name}\\b`).test(text),
    );
    expect(unused).toEqual([]);
  });

  it('show labelled series at zero from the start', async () => {
    const text = await new Metrics({ vendors: ['whisper'], models: ['base'] }).render();
    expect(text).toContain('siprec_whisper_timeouts_total{model="base"} 0');
    expect(text).toContain('siprec_whisper_cli_duration_seconds_count{model="base",status="timeout"} 0');
    expect(text).toContain('siprec_stt_requests_total{vendor="whisper",status="error"} 0');
    expect(text).toContain('siprec_sip_requests_total{method="INVITE"} 0');
  });

  it('write seconds for durations that come in milliseconds, with buckets from 0.05 to 2048', async () => {
    const metrics = new Metrics({ vendors: [], models: ['base'] });
    metrics.observeWhisper('base', 'success', 1500);
    const text = await metrics.render();
    expect(text).toContain('siprec_whisper_cli_duration_seconds_sum{model="base",status="success"} 1.5');
    expect(text).toContain('le="0.05",model="base"');
    expect(text).toContain('le="2048",model="base"');
  });
});

describe('warnings', () => {
  it('are each told somewhere in the program', () => {
    const text = sourceText('src').replace(/export const WARNING_CODES[^;]*;/, '');
    expect(WARNING_CODES.filter((code) => !text.includes(`'${code}'`))).toEqual([]);
  });
});
