// A vitest reporter whose last line is the count: `N passed, M failed`, and `, K skipped` if any were.
import { writeFileSync, writeSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node';

/**
 * The count in one line. A file or suite that breaks outside its tests counts as one failure, as does an error that nobody
 * caught, and a test that was cut short: a run that vitest calls failed never reads `0 failed`.
 */
function tally(modules: readonly TestModule[], unhandled: number, succeeded: boolean): string {
  let [passed, failed, skipped] = [0, unhandled, 0];
  for (const module of modules) {
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'skipped') skipped += 1;
      else failed += 1;
    }
  }
  if (!succeeded) failed = Math.max(failed, 1);
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Also writes the line to the file that `MAILOVER_TALLY` names. */
export default class Tally implements Reporter {
  private line = '';

  onInit(): void {
    // At the very end, after what the other reporters and vitest itself have to say.
    process.on('exit', () => {
      if (this.line !== '') writeSync(1, `${this.line}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: TestRunEndReason): void {
    this.line = tally(modules, unhandled.length, reason === 'passed');
    if (process.env.MAILOVER_TALLY) writeFileSync(process.env.MAILOVER_TALLY, `${this.line}\n`);
  }
}
