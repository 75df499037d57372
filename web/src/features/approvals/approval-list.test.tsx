import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { Approval } from '@/api/types';
import { answering, draw } from '@/ui/test-render';
import { ApprovalList } from '@/features/approvals/approval-list';

const ONE: Approval = {
  id: 'a1',
  run_id: 'r1',
  workflow_id: 'w1',
  workflow_name: 'Payments',
  node: 'p',
  subject: 'Pay 7?',
  message: 'To Ann',
  approvers: [],
  needed: 2,
  form: { type: 'object', required: ['why'], properties: { why: { type: 'string', title: 'Reason' } } },
  decisions: [{ decision: 'approve', by: 'ben', comment: 'ok', at: '2026-11-20T08:00:00Z' }],
  created_at: '2026-11-20T08:00:00Z',
};

describe('the list of approvals', () => {
  it('asks, takes the form along, and says what became of it', async () => {
    const calls = answering({
      'GET /api/approvals': { items: [ONE], next_cursor: null },
      'POST /api/approvals/a1': { recorded: true, decision: 'approve', outcome: null },
    });
    draw(<ApprovalList />);
    const user = userEvent.setup();
    expect(await screen.findByText(/1 of 2/)).toBeInTheDocument();
    expect(screen.getByRole('link', { name: 'Payments' })).toHaveAttribute('href', '/runs/r1');
    await user.click(screen.getByRole('button', { name: 'Decide: Pay 7?' }));
    expect(screen.getByText('To Ann')).toBeInTheDocument();
    await user.type(screen.getByRole('textbox', { name: /Reason/ }), 'because');
    await user.click(screen.getByRole('button', { name: 'Approve' }));
    await vi.waitFor(() =>
      expect(calls.find((call) => call.method === 'POST')?.body).toEqual({
        decision: 'approve',
        data: { why: 'because' },
      }),
    );
    expect(await screen.findByText('Approved.')).toBeInTheDocument();
  });

  it('says when it was decided already', async () => {
    answering({
      'GET /api/approvals': { items: [{ ...ONE, form: null }], next_cursor: null },
      'POST /api/approvals/a1': { recorded: false, decision: null, outcome: 'reject' },
    });
    draw(<ApprovalList />);
    const user = userEvent.setup();
    await user.click(await screen.findByRole('button', { name: 'Decide: Pay 7?' }));
    await user.click(screen.getByRole('button', { name: 'Reject' }));
    expect(await screen.findByText(/decided already/)).toBeInTheDocument();
  });

  it('says that nothing waits', async () => {
    answering({ 'GET /api/approvals': { items: [], next_cursor: null } });
    draw(<ApprovalList />);
    expect(await screen.findByText('Nobody is waited for')).toBeInTheDocument();
  });
});
