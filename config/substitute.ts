// `${NAME}`, `${NAME:-default}` and `${file:/path}` in text that YAML has parsed already, so that no value can add structure.
import { type Sources, variable, withoutLineEnd } from './environment.ts';
import type { Problem } from './faults.ts';

/**
 * Replaces in every text below `data`; `$${` stands for a plain `${`. As in a shell, `:-` also takes the place of an empty variable.
 * Text with a fault stays as it is. Also drops keys that no object could hold safely (`__proto__`), with a fault.
 */
export function substitute(data: unknown, sources: Sources): { data: unknown; problems: Problem[] } {
  const problems: Problem[] = [];

  function walk(value: unknown, path: Problem['path']): unknown {
    if (typeof value === 'string') {
      const result = replace(value, sources);
      for (const message of result.faults) problems.push({ path, message });
      return result.faults.length === 0 ? result.text : value;
    }
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value !== 'object' || value === null) return value;
    const walked: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      if (key === '__proto__') problems.push({ path: [...path, key], message: 'is no usable name: leave it out' });
      else walked[key] = walk(item, [...path, key]);
    }
    return walked;
  }

  return { data: walk(data, []), problems };
}

function replace(written: string, sources: Sources): { text: string; faults: string[] } {
  const faults: string[] = [];
  const text = written.replace(/\$\$\{|\$\{(?:([^}]*)\})?/g, (whole, inside: string | undefined) => {
    if (whole === '$${') return '${';
    if (inside?.startsWith('file:')) {
      const path = inside.slice('file:'.length);
      const content = path === '' ? null : sources.readFile(path);
      if (content === null) faults.push(`names a file that cannot be read: ${path || 'give its path'}`);
      return content === null ? '' : withoutLineEnd(content);
    }
    const [, name, fallback] = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inside ?? '') ?? [];
    if (name === undefined) {
      faults.push(
        `has a \${ that is no variable: write \${NAME}, \${NAME:-default} or \${file:/path}, or $\${ for a plain \${`,
      );
      return '';
    }
    const found = variable(name, sources);
    if ('fault' in found) {
      faults.push(found.fault);
      return '';
    }
    const { value } = found;
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined)
      faults.push(`needs ${name}, which is not set in the environment: set it, or write \${${name}:-default}`);
    return value ?? '';
  });
  return { text, faults };
}
