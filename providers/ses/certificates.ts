// The certificates that SNS signs with: fetched from SNS alone, checked, and kept.
import { X509Certificate } from 'node:crypto';
import { startDeadline } from '../deadline.ts';
import type { HttpClient } from '../http.ts';
import { type Envelope, snsHost } from './envelope.ts';

/** Gets the certificate that an envelope names. */
export interface Certificates {
  /**
   * Resolves with words where the envelope is not to be believed.
   * @throws when it cannot be told now: SNS does not answer. The webhook is then to come again.
   */
  get(envelope: Envelope, at: number, signal: AbortSignal): Promise<X509Certificate | string>;
}

// SNS needs one at a time and changes it once or twice a year; its own SDK keeps ten.
const mostKept = 10;
// Who knows a topic's ARN can make us fetch from SNS: no more than this at a time.
const mostFetched = 4;
const fetchMs = 5_000;
// One of SNS has 2 KB.
const largest = 16_384;

/**
 * Certificates are fetched over TLS from the host of SNS in the topic's own region, as `/….pem` and nothing else: TLS vouches for who
 * gave them. The file is one certificate without the chain above it (seen in the tests of aws-sdk-java-v2, 2026-11, whose
 * `sns-message-manager` checks the same): what it says of itself is checked, its names and its dates.
 */
export function createCertificates(request: HttpClient['request']): Certificates {
  const kept = new Map<string, X509Certificate>();
  const fetched = new Map<string, Promise<X509Certificate | string>>();

  async function fetchOne(url: string, signal: AbortSignal): Promise<X509Certificate | string> {
    const deadline = startDeadline(signal, fetchMs);
    const answer = await request({ method: 'GET', url, signal: deadline.signal }).finally(deadline.stop);
    if (answer.kind === 'trouble') throw new Error(`the certificate of SNS cannot be fetched: ${answer.detail}`);
    const { status, body } = answer;
    // 403 and 404: there is none. All else may pass.
    if (status === 403 || status === 404) return `names a certificate that SNS has not got (HTTP ${status})`;
    if (status !== 200) throw new Error(`the certificate of SNS cannot be fetched: HTTP ${status}`);
    return parse(body) ?? 'names a certificate that is none';
  }

  async function load(url: string, signal: AbortSignal): Promise<X509Certificate | string> {
    const known = kept.get(url);
    if (known) return known;
    const running = fetched.get(url);
    if (running) return running;
    if (fetched.size >= mostFetched) throw new Error('too many certificates of SNS are asked for at the same time');
    const fetching = fetchOne(url, signal).finally(() => fetched.delete(url));
    fetched.set(url, fetching);
    return fetching;
  }

  return {
    async get(envelope, at, signal) {
      const url = envelope.signingCertUrl;
      const home = `https://${snsHost(envelope.topicArn)}/`;
      if (!url.startsWith(home) || !/^[A-Za-z0-9_-]{1,128}\.pem$/.test(url.slice(home.length)))
        return "names a certificate that is not at SNS's own address for the region of the topic";
      const certificate = await load(url, signal);
      if (typeof certificate === 'string') return certificate;
      const fault = faultOf(certificate, envelope.topicArn, at);
      if (fault !== null) return fault;
      if (kept.size >= mostKept && !kept.has(url)) kept.delete(kept.keys().next().value ?? '');
      kept.set(url, certificate);
      return certificate;
    },
  };
}

function faultOf(certificate: X509Certificate, topicArn: string, at: number): string | null {
  if (!snsNames(topicArn).some((name) => certificate.checkHost(name, { wildcards: false })))
    return 'signed with a certificate that is not in the name of SNS';
  if (at < Date.parse(certificate.validFrom) || at > Date.parse(certificate.validTo))
    return 'signed with a certificate that is not valid now';
  return null;
}

// The names of SNS in its certificates differ by the age and the partition of a region (aws-sdk-java-v2, SnsHostProvider, 2026-11).
// All of them are Amazon's, and none has to be told apart from the others here.
function snsNames(topicArn: string): string[] {
  const [, partition, , region] = topicArn.split(':');
  const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const names = [`sns.${suffix}`, `sns-signing.${region}.${suffix}`, `sns-${region}.${suffix}`, snsHost(topicArn)];
  return partition === 'aws-us-gov' ? [...names, `sns-us-gov-west-1.${suffix}`] : names;
}

function parse(body: string): X509Certificate | null {
  if (body.length > largest || body.split('-----BEGIN ').length !== 2) return null;
  try {
    return new X509Certificate(body);
  } catch {
    return null;
  }
}
