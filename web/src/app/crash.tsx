// Catches what no screen expected, and the one thing that is expected: files of an older console that are gone.
import { Component, type ReactNode } from 'react';
import { useT } from '@/i18n/i18n';
import { Button } from '@/ui/button';
import { Mark } from '@/ui/logo';
import { Empty } from '@/ui/page';

export class CrashGuard extends Component<
  { children: ReactNode; resetKey: string },
  { error: Error | null; key: string }
> {
  override state = { error: null as Error | null, key: this.props.resetKey };

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  /** Going to another page is a new start. */
  static getDerivedStateFromProps(props: { resetKey: string }, state: { key: string }) {
    return props.resetKey === state.key ? null : { error: null, key: props.resetKey };
  }

  override render() {
    return this.state.error ? <Crashed error={this.state.error} /> : this.props.children;
  }
}

function Crashed({ error }: { error: Error }) {
  const t = useT();
  const stale = /dynamically imported module|module script|preload/i.test(error.message);
  return (
    <div role="alert" className="grid min-h-full place-items-center">
      <Empty
        whole
        art={<Mark size={56} />}
        title={t.shell.crashed.title}
        actions={
          <Button kind="primary" icon="refresh" onClick={() => window.location.reload()}>
            {t.shell.crashed.reload}
          </Button>
        }
      >
        <p>{stale ? t.shell.crashed.updated : t.shell.crashed.text}</p>
        {!stale && <code className="code mt-3 block text-xs break-words text-ink-3">{error.message}</code>}
      </Empty>
    </div>
  );
}
