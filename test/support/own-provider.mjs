// A provider of one's own, as a user would write it: keeps the contract, takes mail into memory, reports by webhook, can be asked.
// Tests reach its far side through `globalThis`, whatever module system has loaded it.

const far = () => globalThis[Symbol.for('mailover test: far side')] ?? {};

export default {
  type: 'own',
  create(name, settings) {
    return {
      name,
      type: 'own',
      traits: { confirmsDelivery: true, idempotent: false, maxBytes: null },
      unsupported: () => null,
      async send(mail) {
        const scripted = far().send?.(name, mail);
        if (scripted) return scripted;
        far().taken?.push({ provider: name, id: mail.id, to: mail.recipients });
        return { outcome: 'accepted', reason: null, detail: 'taken', providerMessageId: `theirs-${mail.id}` };
      },
      async webhook(request) {
        if (request.method === 'HEAD') return { kind: 'answered', status: 200, body: '' };
        if (request.headers['x-secret'] !== settings.options.secret) return { kind: 'forged', detail: 'wrong secret' };
        try {
          const { events = [], account = [] } = JSON.parse(new TextDecoder().decode(request.body));
          return { kind: 'events', events, account };
        } catch {
          return { kind: 'unreadable', detail: 'not JSON' };
        }
      },
      account: async () => far().account?.(name) ?? { status: 'unknown', quotaRemaining: null, detail: 'not asked' },
      lookUp: async (message) => far().lookUp?.(name, message) ?? { kind: 'unknown', detail: 'no index' },
      async close() {},
    };
  },
};
