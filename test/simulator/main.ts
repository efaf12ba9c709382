// `npm run simulate -- <part> [--name value …]`: the real core under a virtual clock. Every part prints its seeds, so that what it shows can be had again.
type Part = (options: ReadonlyMap<string, string>) => void | Promise<void>;

const parts: Readonly<Record<string, () => Promise<Part>>> = {
  detection: async () => (await import('./detection/detection.ts')).detection,
  partial: async () => (await import('./detection/partial.ts')).partial,
  'false-verdicts': async () => (await import('./detection/false-verdicts.ts')).falseVerdicts,
  scenarios: async () => (await import('./report.ts')).runScenarios,
};

const [name = '', ...rest] = process.argv.slice(2);
const part = parts[name];
if (part === undefined) {
  console.error(`usage: npm run simulate -- <part> [--name value …]; the parts are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
const options = new Map<string, string>();
for (const [at, word] of rest.entries()) {
  // A name without a value says yes.
  const value = rest[at + 1];
  if (word.startsWith('--')) options.set(word.slice(2), value === undefined || value.startsWith('--') ? 'true' : value);
}
await (await part())(options);
