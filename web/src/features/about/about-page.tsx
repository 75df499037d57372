// What runs here, who is signed in, and where to read on.
import { useQuery } from '@tanstack/react-query';
import { asProblem } from '@/api/problem';
import type { Me } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { isObject } from '@/lib/json';
import { cx } from '@/lib/cx';
import { Icon, type IconName } from '@/ui/icon';
import { Card, Page, Skeleton } from '@/ui/page';

interface Health {
  ready: boolean;
  status: number;
  facts: [string, string][];
  version: string | null;
}

/** /readyz answers 503 while it is not: that is news, not a failure of the call. */
async function readHealth(signal: AbortSignal): Promise<Health> {
  const response = await fetch('/readyz', { signal, cache: 'no-store' });
  const text = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Plain text is a fine answer, too.
  }
  const facts = isObject(body)
    ? Object.entries(body)
        .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
        .map(([key, value]) => [key, String(value)] as [string, string])
    : [];
  const version =
    facts.find(([key]) => key === 'version')?.[1] ?? response.headers.get('Server')?.replace(/^heddle\//i, '') ?? null;
  return {
    ready: response.ok,
    status: response.status,
    facts: facts.filter(([key]) => key !== 'version' && key !== 'status'),
    version,
  };
}

const SHORTCUTS: [string, keyof ReturnType<typeof useT>['about']['shortcuts']][] = [
  ['Ctrl K', 'palette'],
  ['Ctrl Enter', 'run'],
  ['Ctrl S', 'save'],
  ['Ctrl Z', 'undo'],
  ['Ctrl Shift Z', 'redo'],
  ['Ctrl C · X · V', 'copy'],
  ['Ctrl D', 'duplicate'],
  ['Ctrl A', 'all'],
  ['Del', 'remove'],
  ['F', 'fit'],
  ['Esc', 'close'],
];

export function AboutPage({ me }: { me: Me }) {
  const t = useT();
  const { data, error, isPending } = useQuery({
    queryKey: ['health'],
    queryFn: ({ signal }) => readHealth(signal),
    refetchInterval: 10_000,
    retry: false,
  });
  const ready = data?.ready ?? false;
  const tone = isPending ? 'text-ink-3' : ready ? 'text-green' : 'text-madder';
  return (
    <Page title={t.about.title}>
      <div className="grid gap-4 lg:grid-cols-2">
        <Card className="p-5">
          <h2 className="flex items-center gap-2 font-medium">
            <Icon name="activity" className={tone} />
            {t.about.health}
          </h2>
          {isPending ? (
            <Skeleton className="mt-3 w-40" />
          ) : (
            <dl className="mt-3 grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5">
              <dt className="text-ink-3">{t.about.state}</dt>
              <dd className={cx('font-medium', tone)}>
                {error
                  ? asProblem(error).status === 0
                    ? t.about.unreachable
                    : asProblem(error).detail
                  : ready
                    ? t.about.ready
                    : t.about.notReady}
              </dd>
              {data?.version && (
                <>
                  <dt className="text-ink-3">{t.about.version}</dt>
                  <dd>{data.version}</dd>
                </>
              )}
              {data?.facts.map(([key, value]) => (
                <Fact key={key} name={key === 'reason' ? t.about.reason : key} value={value} />
              ))}
            </dl>
          )}
        </Card>
        <Card className="p-5">
          <h2 className="flex items-center gap-2 font-medium">
            <Icon name="key" className="text-ink-3" />
            {t.about.session}
          </h2>
          <dl className="mt-3 grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5">
            <dt className="text-ink-3">{t.about.name}</dt>
            <dd>{me.name}</dd>
            <dt className="text-ink-3">{t.about.kind}</dt>
            <dd>{t.about.kinds[me.kind]}</dd>
            <dt className="text-ink-3">{t.about.tenant}</dt>
            <dd className="truncate">{me.tenant}</dd>
            <dt className="text-ink-3">{t.about.capabilities}</dt>
            <dd className="flex flex-wrap gap-1">
              {me.capabilities.map((one) => (
                <code key={one} className="code rounded-sm bg-sunken px-1.5 text-xs">
                  {one === '*' ? t.about.everything : one}
                </code>
              ))}
            </dd>
          </dl>
        </Card>
        <Card className="p-5">
          <h2 className="flex items-center gap-2 font-medium">
            <Icon name="info" className="text-ink-3" />
            {t.about.reading}
          </h2>
          <ul className="mt-3 space-y-2">
            <Reading href="/api/openapi.json" icon="braces" title={t.about.openapi} text={t.about.openapiText} />
            <Reading href="/metrics" icon="activity" title={t.about.metrics} text={t.about.metricsText} />
            <Reading href="/assets/licenses.txt" icon="info" title={t.about.licences} text={t.about.licencesText} />
            <Reading href="/assets/fonts-ofl.txt" icon="info" title={t.about.fonts} text={t.about.fontsText} />
          </ul>
          <p className="mt-4 text-sm text-ink-3">{t.about.cli}</p>
        </Card>
        <Card className="p-5">
          <h2 className="flex items-center gap-2 font-medium">
            <Icon name="keyboard" className="text-ink-3" />
            {t.about.keyboard}
          </h2>
          <dl className="mt-3 grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 text-sm">
            {SHORTCUTS.map(([keys, what]) => (
              <Fact
                key={keys}
                name={<kbd className="code rounded-sm border bg-sunken px-1.5 text-xs text-ink">{keys}</kbd>}
                value={t.about.shortcuts[what]}
              />
            ))}
          </dl>
        </Card>
      </div>
    </Page>
  );
}

const Fact = ({ name, value }: { name: React.ReactNode; value: string }) => (
  <>
    <dt className="text-ink-3">{name}</dt>
    <dd className="break-words">{value}</dd>
  </>
);

function Reading({ href, icon, title, text }: { href: string; icon: IconName; title: string; text: string }) {
  return (
    <li>
      <a href={href} target="_blank" rel="noreferrer" className="group flex gap-3 rounded-md p-1 -m-1 hover:bg-ink/4">
        <Icon name={icon} className="mt-0.5 text-ink-3" />
        <span>
          <span className="font-medium text-indigo group-hover:underline">{title}</span>
          <span className="block text-sm text-ink-2">{text}</span>
        </span>
      </a>
    </li>
  );
}
