import { describe, expect, it } from 'vitest';
import { localText } from '@/features/flow-editor/nodes/trigger/time-zone';

describe('the next times of a schedule', () => {
  it('are shown as the clock in its zone shows them', () => {
    expect(localText('2026-11-20T09:00:00+05:30', 'en')).toMatch(/Fri.*Nov 20, 2026.*09:00 AM/);
    expect(localText('2026-11-20T09:00:00Z', 'de')).toMatch(/Fr.*20. Nov. 2026.*09:00/);
  });

  it('have seconds only when there are some', () => {
    expect(localText('2026-11-20T09:00:30Z', 'de')).toContain('09:00:30');
    expect(localText('2026-11-20T09:00:00Z', 'de')).not.toContain('09:00:00');
  });
});
