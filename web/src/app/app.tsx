// Puts everything together: providers, the door, the frame, and which feature stands at which address.
import { lazy, Suspense, useState } from 'react';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { BrowserRouter, Navigate, Route, Routes, useLocation, useParams } from 'react-router';
import { ApiProblem } from '@/api/problem';
import type { Me } from '@/api/types';
import { I18nProvider, useT, type Lang, type Messages } from '@/i18n/i18n';
import { ButtonLink } from '@/ui/button';
import { Empty, Skeleton } from '@/ui/page';
import { Icon } from '@/ui/icon';
import { TipLayer } from '@/ui/tips';
import { ToastProvider } from '@/ui/toast';
import { AboutPage } from '@/features/about/about-page';
import { ApprovalList } from '@/features/approvals/approval-list';
import { CallList } from '@/features/calls/call-list';
import { PromptList } from '@/features/prompts/prompt-list';
import { RunList } from '@/features/runs/run-list';
import { WorkflowList } from '@/features/workflows/workflow-list';
import { CrashGuard } from '@/app/crash';
import { SessionGate } from '@/app/session';
import { Shell } from '@/app/shell';

const FlowEditor = lazy(async () => ({ default: (await import('@/features/flow-editor/flow-editor')).FlowEditor }));
const RunDetail = lazy(async () => ({ default: (await import('@/features/runs/run-detail')).RunDetail }));
const RunCompare = lazy(async () => ({ default: (await import('@/features/runs/run-compare')).RunCompare }));
const CallDetail = lazy(async () => ({ default: (await import('@/features/calls/call-detail')).CallDetail }));
const PromptDetail = lazy(async () => ({ default: (await import('@/features/prompts/prompt-detail')).PromptDetail }));
const ApiDialog = lazy(async () => ({ default: (await import('@/features/api-access/api-dialog')).ApiDialog }));

function makeQueryClient() {
  return new QueryClient({
    defaultOptions: {
      // A machine without a network still reaches its own server.
      mutations: { networkMode: 'always' },
      queries: {
        networkMode: 'always',
        staleTime: 5000,
        // What the server refused it will refuse again; only broken lines and busy servers are asked once more.
        retry: (count, error) =>
          count < 2 &&
          error instanceof ApiProblem &&
          (error.status === 0 || error.status === 429 || error.status >= 502),
      },
    },
  });
}

const apiDialog = (workflow: { id: string; name: string }, onClose: () => void) => (
  <Suspense>
    <ApiDialog id={workflow.id} name={workflow.name} onClose={onClose} />
  </Suspense>
);

function EditorRoute() {
  const { id = '' } = useParams();
  return <FlowEditor key={id} id={id} apiDialog={apiDialog} />;
}

function RunRoute() {
  const { id = '' } = useParams();
  return <RunDetail key={id} id={id} />;
}

function CompareRoute() {
  const { id = '', other = '' } = useParams();
  return <RunCompare key={`${id} ${other}`} left={id} right={other} />;
}

function CallRoute() {
  const { id = '' } = useParams();
  return <CallDetail key={id} id={id} />;
}

function PromptRoute() {
  const { id = '' } = useParams();
  return <PromptDetail key={id} id={id} />;
}

function NotFound() {
  const t = useT();
  return (
    <div className="grid min-h-full place-items-center">
      <Empty
        whole
        art={<Icon name="thread" size={56} />}
        title={t.shell.notFound.title}
        actions={
          <ButtonLink to="/workflows" kind="primary">
            {t.shell.notFound.home}
          </ButtonLink>
        }
      >
        <p>{t.shell.notFound.text}</p>
      </Empty>
    </div>
  );
}

function Pages({ me }: { me: Me }) {
  const { pathname } = useLocation();
  return (
    <CrashGuard resetKey={pathname}>
      <Suspense
        fallback={
          <div className="space-y-4 p-8">
            <Skeleton className="h-7 w-60" />
            <Skeleton className="h-64" />
          </div>
        }
      >
        <Routes>
          <Route element={<Shell me={me} />}>
            <Route index element={<Navigate to="/workflows" replace />} />
            <Route path="signin" element={<Navigate to="/workflows" replace />} />
            <Route path="workflows" element={<WorkflowList apiDialog={apiDialog} />} />
            <Route path="workflows/:id" element={<EditorRoute />} />
            <Route path="runs" element={<RunList />} />
            <Route path="runs/:id" element={<RunRoute />} />
            <Route path="runs/:id/compare/:other" element={<CompareRoute />} />
            <Route path="approvals" element={<ApprovalList />} />
            <Route path="calls" element={<CallList />} />
            <Route path="calls/:id" element={<CallRoute />} />
            <Route path="prompts" element={<PromptList />} />
            <Route path="prompts/:id" element={<PromptRoute />} />
            <Route path="about" element={<AboutPage me={me} />} />
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </Suspense>
    </CrashGuard>
  );
}

export function App({ words }: { words: { lang: Lang; t: Messages } }) {
  const [client] = useState(makeQueryClient);
  return (
    <I18nProvider initial={words}>
      <QueryClientProvider client={client}>
        <ToastProvider>
          <BrowserRouter>
            <SessionGate>{(me) => <Pages me={me} />}</SessionGate>
          </BrowserRouter>
          <TipLayer />
        </ToastProvider>
      </QueryClientProvider>
    </I18nProvider>
  );
}
