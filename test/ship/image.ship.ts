// The Dockerfile's steps without an engine: what it copies, in an empty folder, built and pruned; then run as nobody, with nothing to write to
// but the volume.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { spawnProgram } from '../support/child.ts';

const root = resolve(import.meta.dirname, '../..');
// Not in the run's own folder: nobody else may look into that.
const place = mkdtempSync(join(tmpdir(), 'mailover-image-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

test('the image builds, and its service runs without rights', async () => {
  const steps = readFileSync(join(root, 'Dockerfile'), 'utf8').replace(/\\\n/g, ' ').split('\n');
  const [build, image, data] = ['build', 'app', 'data'].map((name) => join(place, name)) as [string, string, string];
  for (const folder of [build, image, data]) mkdirSync(folder);
  chmodSync(place, 0o755);
  chmodSync(data, 0o777);
  for (const step of steps) {
    const [, copied] = /^COPY (?!--from)(.*)$/.exec(step) ?? [];
    const names = copied?.split(/ +/) ?? [];
    const to = names.pop() ?? '';
    for (const name of names) cpSync(join(root, name), join(build, to === './' ? name : to), { recursive: true });
    const [, command] = /^RUN (npm .*)$/.exec(step) ?? [];
    if (command) execFileSync('sh', ['-c', command], { cwd: build, stdio: 'pipe' });
    const [, from, into] = /^COPY --from=build \/app\/(\S+) (\S+)$/.exec(step) ?? [];
    if (from && into)
      cpSync(join(build, from), join(image, into.endsWith('/') ? join(into, from.split('/').at(-1)!) : into), {
        recursive: true,
      });
  }
  const variables = Object.fromEntries(
    steps
      .filter((step) => step.startsWith('ENV '))
      .flatMap((step) => step.slice(4).split(/ +/))
      .map((pair) => pair.split('=') as [string, string]),
  );
  const nobody = 65_534;
  const command = JSON.parse(/^CMD (.*)$/m.exec(steps.join('\n'))![1]!) as [string, ...string[]];
  const service = await spawnProgram(command[0], command.slice(1), {
    cwd: image,
    env: { ...variables, HOST: '127.0.0.1', PORT: '0', MAILOVER_DATA_DIR: join(data, 'redis') },
    ...(process.getuid?.() === 0 && { uid: nobody }),
  });
  const line = await service.waitFor(/^Mailover is ready: \S+/, { within: 60_000 });
  expect((await fetch(`${/http:\S+/.exec(line)![0]}/health/ready`)).status).toBe(200);
  service.kill('SIGTERM');
  expect(await service.exit).toEqual({ code: 0, signal: null });
});
