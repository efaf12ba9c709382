// The sealing key of an embedded installation: made once, kept in the data folder beside the data it protects.
import { randomBytes } from 'node:crypto';
import { link, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Reads the folder's key, or makes it. Of several processes that start at once, all get the same one.
 * It guards against a leaked copy of the database file alone; keys from elsewhere (`encryption.keys`) guard against more.
 * @throws when the file is there but holds no key: a new one would make all stored mail unreadable.
 */
export async function dataKey(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, 'encryption.key');
  const found = await read(path);
  if (found) return found;
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  await file.writeFile(`${randomBytes(32).toString('base64')}\n`);
  await file.sync();
  await file.close();
  // A link is made whole or not at all, and never over another process' key.
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await unlink(draft);
  return (await read(path))!;
}

async function read(path: string): Promise<Buffer | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== 32) {
    throw new Error(
      `${path} should hold 32 bytes in base64 and does not. Put the right file back: without it the stored mail cannot be read.`,
    );
  }
  return key;
}
