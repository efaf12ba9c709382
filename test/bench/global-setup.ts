// Before the first benchmark what tests need as well; after the last one the report.
import { requireRedis, thisMachine } from '../../src/store/redis-binary.ts';
import setup from '../support/global-setup.ts';
import { runFolder } from '../support/run-folder.ts';
import { gatherIn, reportAll } from './figures.ts';

export default async function setupBench(): Promise<() => void> {
  const teardown = await setup();
  const { path } = await requireRedis(thisMachine(process.env));
  gatherIn(runFolder());
  return () => {
    reportAll(path);
    teardown();
  };
}
