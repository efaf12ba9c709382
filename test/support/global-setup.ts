// Before the first test: a Redis to run them against, and a folder for all they leave on disk. After the last: nothing remains.
import { ensureRedis, thisMachine } from '../../src/store/redis-binary.ts';
import { removeCompiled } from './child.ts';
import { closeRunFolder, openRunFolder } from './run-folder.ts';

export default async function setup(): Promise<() => void> {
  const { path } = await ensureRedis(thisMachine(process.env));
  process.env.MAILOVER_TEST_REDIS = path;
  const folder = openRunFolder();
  removeCompiled();
  return () => {
    const left = closeRunFolder(folder);
    removeCompiled();
    if (left.length > 0) process.stderr.write(`Tests left ${left.length} processes running; they were stopped.\n`);
  };
}
