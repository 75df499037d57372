import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { answering, draw } from '@/ui/test-render';
import { tokenOf } from '@/features/sign-in/sign-in';
import { SignInPage } from '@/features/sign-in/sign-in-page';

describe('the token in what was pasted', () => {
  it('is found in a link, in a query, or alone', () => {
    expect(tokenOf(' http://127.0.0.1:3000/signin?token=abcDEF12-_34 \n')).toBe('abcDEF12-_34');
    expect(tokenOf('?x=1&token=abcDEF1234#top')).toBe('abcDEF1234');
    expect(tokenOf('abcDEF1234')).toBe('abcDEF1234');
  });

  it('is not found in anything else', () => {
    for (const text of ['', 'short', 'has spaces in it', 'http://127.0.0.1:3000/', 'x'.repeat(600)])
      expect(tokenOf(text)).toBeNull();
  });
});

describe('the sign-in page', () => {
  const open = (reason: 'none' | 'expired' = 'none') => {
    const onSignedIn = vi.fn();
    draw(<SignInPage reason={reason} corner={null} onSignedIn={onSignedIn} />);
    return { onSignedIn, user: userEvent.setup() };
  };

  it('lets in who has a good link', async () => {
    const calls = answering({ 'GET /signin': Response.json({}), 'GET /api/me': { name: 'x' } });
    const { user, onSignedIn } = open();
    await user.type(screen.getByLabelText('Sign-in link or token'), 'http://h/signin?token=abcDEF1234{Enter}');
    await vi.waitFor(() => expect(onSignedIn).toHaveBeenCalled());
    expect(calls[0]?.path).toBe('/signin?token=abcDEF1234');
  });

  it('says so when the link is used up, and lets nobody in', async () => {
    answering({
      'GET /signin': Response.json({}),
      'GET /api/me': Response.json({ code: 'unauthorized' }, { status: 401 }),
    });
    const { user, onSignedIn } = open();
    await user.type(screen.getByLabelText('Sign-in link or token'), 'abcDEF1234{Enter}');
    expect(await screen.findByText(/not good any more/)).toBeInTheDocument();
    expect(onSignedIn).not.toHaveBeenCalled();
  });

  it('asks the server nothing about what cannot be a token', async () => {
    const calls = answering({});
    const { user } = open();
    await user.type(screen.getByLabelText('Sign-in link or token'), 'what?{Enter}');
    expect(screen.getByText(/does not look like/)).toBeInTheDocument();
    expect(calls).toEqual([]);
  });

  it('says that the session has ended', () => {
    open('expired');
    expect(screen.getByRole('status')).toHaveTextContent('Your session has ended');
  });
});
