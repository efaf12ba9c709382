// What Postmark says about our server there. It has no field for the state of an account: a blocked one is found out by sending.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, readJson } from '../json.ts';
import type { AccountStatus } from '../provider.ts';
import type { Clean } from '../words.ts';
import { judgeCode } from './answers.ts';
import type { PostmarkApi } from './api.ts';
import { readAnswer } from './result.ts';

/**
 * Asks for the server and the message stream. Never `active`: mail of a paused account is answered with success, too, and the server
 * looks the same (elijahrogers.github.io, "Postmark Gaslit Me", 2025-10).
 */
export async function askAccount(
  api: PostmarkApi,
  stream: string,
  clean: Clean,
  signal: AbortSignal,
): Promise<AccountStatus> {
  const server = await api.call((client) => client.getServer(), signal);
  const type = fieldsOf(server)?.DeliveryType;
  if (type === undefined) return refusal(server, clean);
  if (type === 'Sandbox') return status('limited', 'the server is a sandbox: it delivers no mail');

  const asked = await api.call((client) => client.getMessageStream(stream), signal);
  const fields = fieldsOf(asked);
  if (fields?.ID === undefined) return refusal(asked, clean);
  if (fields.ArchivedAt) return status('suspended', `the message stream ${stream} is archived: it takes no mail`);
  return status('unknown', 'token and message stream are good; Postmark does not say whether the account may send');
}

function fieldsOf(came: HttpResponse | HttpTrouble): Readonly<Record<string, unknown>> | null {
  return came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body)) : null;
}

// Only what would stop every mail, in Postmark's own words, is a suspension.
function refusal(came: HttpResponse | HttpTrouble, clean: Clean): AccountStatus {
  if (came.kind === 'trouble') return status('unknown', clean(came.detail));
  const said = readAnswer(came.body);
  const verdict = said && judgeCode(said);
  const stopped =
    verdict?.outcome === 'refused' && ['invalid_credentials', 'account_suspended'].includes(verdict.reason);
  // Not the body of a success: a server's lists its tokens.
  const words = said?.message || (came.status === 200 ? 'not what was asked for' : came.body);
  return status(stopped ? 'suspended' : 'unknown', clean(`HTTP ${came.status}: ${words}`));
}

function status(status: AccountStatus['status'], detail: string): AccountStatus {
  return { status, quotaRemaining: null, detail };
}
