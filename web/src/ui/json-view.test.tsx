import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { JsonView } from '@/ui/json-view';
import { draw } from '@/ui/test-render';

describe('a JSON value', () => {
  it('folds and unfolds its levels', async () => {
    draw(<JsonView value={{ a: { b: { c: 'deep' } } }} />);
    expect(screen.queryByText('"deep"')).not.toBeInTheDocument();
    await userEvent.setup().click(screen.getByRole('button', { name: /^b:/ }));
    expect(screen.getByText('"deep"')).toBeInTheDocument();
  });

  it('shows a long list bit by bit', async () => {
    draw(<JsonView value={Array.from({ length: 120 }, (_, i) => `item ${i}`)} />);
    expect(screen.queryByText('"item 100"')).not.toBeInTheDocument();
    await userEvent.setup().click(screen.getByRole('button', { name: 'show 70 more' }));
    expect(screen.getByText('"item 100"')).toBeInTheDocument();
  });

  it('is copied whole', async () => {
    const user = userEvent.setup();
    draw(<JsonView value={{ a: 1 }} />);
    await user.click(screen.getByRole('button', { name: 'Copy' }));
    expect(await navigator.clipboard.readText()).toBe('{\n  "a": 1\n}');
  });
});
