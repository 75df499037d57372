/* azure_server.mjs - the model server with the paths, the key and the habits of Azure: the deployment in the path, a
 * version behind it, the model of the body of no account. */
import { sendJson } from './listener.mjs';
import { ModelServer } from './model_server.mjs';

export class AzureServer extends ModelServer {
  constructor() {
    super();
    this.azureKey = 'azure-test-0123456789';
  }

  async answer(entry, req, res) {
    const refuse = (status, code, message) => sendJson(res, status, { error: { code: `${code}`, message } });
    if (entry.headers['api-key'] !== this.azureKey || entry.headers.authorization)
      return refuse(401, 401, 'Access denied due to invalid subscription key or wrong API endpoint.');
    const own = entry.path.match(/^\/openai\/v1(\/.*)$/);
    const [, name, call] = entry.path.match(/^\/openai\/deployments\/([^/]+)(\/.*)$/) ?? [];
    entry.version = entry.url.searchParams.get('api-version');
    if (!own && !entry.version) return refuse(404, 'ResourceNotFound', 'Resource not found');
    if (entry.path === '/openai/models') return sendJson(res, 200, { data: [{ id: 'may-be-deployed' }] });
    if (!own && !name) return refuse(404, 'ResourceNotFound', 'Resource not found');
    entry.azurePath = entry.path;
    entry.path = `/v1${own ? own[1] : call}`;
    if (name) entry.body = { ...entry.body, model: decodeURIComponent(name) };
    return super.answer(entry, req, res);
  }
}

export const startAzureServer = () => new AzureServer().start();
