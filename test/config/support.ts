// Settings files in a folder of their own, and what comes of loading them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { ConfigFault } from '../../config/faults.ts';
import { isSection } from '../../config/fields.ts';
import { loadConfig } from '../../config/load.ts';
import { freshFolder } from '../support/run-folder.ts';

/** The least that a settings file must hold. */
export const least = {
  providers: { relay: { type: 'smtp', host: 'smtp.example.com' } },
  streams: { default: { providers: ['relay'] } },
};

/** 32 bytes that look made up. */
export const madeUpKey = Buffer.from('made-up-key-for-tests-0123456789').toString('base64');

/** A signing secret that looks made up. */
export const madeUpSecret = `whsec_${Buffer.from('made-up-secret-for-tests').toString('base64')}`;

/** A new folder with these files in it. */
export function folder(files: Record<string, string> = {}): string {
  const path = freshFolder('config');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** Loads a settings file with this text, or this data (JSON is YAML). */
export function load(contents: unknown, env: Record<string, string> = {}) {
  const text = typeof contents === 'string' ? contents : JSON.stringify(contents);
  return loadConfig({ file: 'mailover.yaml', env, cwd: folder({ 'mailover.yaml': text }) });
}

/** The fault of a load that must fail. */
export async function faultOf(loading: Promise<unknown>): Promise<ConfigFault> {
  const fault = await loading.then(
    () => null,
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(ConfigFault);
  return fault as ConfigFault;
}

/** `changes` put into `target`, section by section. */
export function merged(target: unknown, changes: unknown): unknown {
  if (!isSection(target) || !isSection(changes)) return changes;
  const result: Record<string, unknown> = { ...target };
  for (const [key, value] of Object.entries(changes)) result[key] = merged(target[key], value);
  return result;
}
