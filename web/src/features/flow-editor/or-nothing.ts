// Settings without those that are not set; nothing at all when none is.
import { compact } from '@/lib/json';

export function orNothing<T extends object>(value: T): T | undefined {
  const kept = compact<T>(value);
  return Object.keys(kept).length > 0 ? kept : undefined;
}
