// The node types of the server: what may be put on the canvas, and which settings each has.
import { queryOptions, useQuery } from '@tanstack/react-query';
import { api } from '@/api/client';
import type { NodeType, NodeTypes } from '@/api/types';

export const nodeTypesQuery = queryOptions({
  queryKey: ['node-types'],
  queryFn: ({ signal }) => api.get<NodeTypes>('/api/node-types', { signal }),
  staleTime: Infinity,
});

const NONE: NodeType[] = [];

export function useNodeTypes(): NodeType[] {
  return useQuery(nodeTypesQuery).data?.types ?? NONE;
}

export function useNodeType(name: string): NodeType | undefined {
  return useNodeTypes().find((type) => type.type === name);
}
