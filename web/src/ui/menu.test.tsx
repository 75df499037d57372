import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { Menu } from '@/ui/menu';
import { draw } from '@/ui/test-render';

describe('a menu', () => {
  it('is worked by keyboard alone, and gives the focus back', async () => {
    const user = userEvent.setup();
    const second = vi.fn();
    draw(
      <Menu
        label="Things"
        items={[
          { label: 'One', onSelect: () => undefined },
          { label: 'Off', disabled: true, onSelect: () => undefined },
          { label: 'Two', onSelect: second },
        ]}
      />,
    );
    await user.tab();
    await user.keyboard('{Enter}');
    expect(screen.getByRole('menuitem', { name: 'One', hidden: true })).toHaveFocus();
    await user.keyboard('{ArrowDown}{Enter}');
    expect(second).toHaveBeenCalled();
    expect(screen.getByRole('button', { name: 'Things' })).toHaveFocus();
    expect(screen.queryByRole('menu', { hidden: true })).not.toBeInTheDocument();
  });

  it('closes by Escape', async () => {
    const user = userEvent.setup();
    draw(<Menu label="Things" items={[{ label: 'One', onSelect: () => undefined }]} />);
    await user.click(screen.getByRole('button', { name: 'Things' }));
    await user.keyboard('{Escape}');
    expect(screen.queryByRole('menu', { hidden: true })).not.toBeInTheDocument();
  });
});
