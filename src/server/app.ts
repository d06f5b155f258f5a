import { OpenAPIHono } from '@hono/zod-openapi'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { AppError } from '../shared/errors.ts'
import type { AppDeps } from './deps.ts'
import { identifyRequests, requireKnownHost, requireOwnOrigin } from './guards.ts'
import { createOnError, errorResponse } from './on-error.ts'
import { addAlternativeRoutes } from './routes/alternatives.ts'
import { addApprovalRoutes } from './routes/approvals.ts'
import { addArchiveRoutes } from './routes/archive.ts'
import { addChatRoute } from './routes/chat.ts'
import { addCheckpointRoutes } from './routes/checkpoints.ts'
import { addContextRoutes } from './routes/context.ts'
import { addConversationRoutes } from './routes/conversations.ts'
import { addCredentialRoutes } from './routes/credentials.ts'
import { addCriteriaProposalRoutes } from './routes/criteria-proposals.ts'
import { addDocRoutes } from './routes/docs.ts'
import { addEnvironmentRoutes } from './routes/environment.ts'
import { addEventRoutes } from './routes/events.ts'
import { addEvidenceRoutes } from './routes/evidence.ts'
import { addFileRoutes } from './routes/files.ts'
import { addFindingRoutes } from './routes/findings.ts'
import { addHealthRoutes } from './routes/health.ts'
import { addInstanceRoute } from './routes/instance.ts'
import { addMemoryRoutes } from './routes/memory.ts'
import { addMetricsRoutes } from './routes/metrics.ts'
import { addPageRoutes } from './routes/pages.ts'
import { addProjectRoutes } from './routes/projects.ts'
import { addPublishRoutes } from './routes/publish.ts'
import { addReviewCriteriaRoutes } from './routes/review-criteria.ts'
import { addSandboxRoutes } from './routes/sandboxes.ts'
import { addServiceRoutes } from './routes/services.ts'
import { addSyncRoute } from './routes/sync.ts'
import { addTaskEndingRoute } from './routes/task-ending.ts'
import { addTaskRoutes } from './routes/tasks.ts'

/** The HTTP contract as one app. Guards in order: who asks for whom (Host, Origin), then who asks (token), then what. */
export function createApp(deps: AppDeps): OpenAPIHono {
  const app = new OpenAPIHono()
  app.onError(createOnError(deps.log))
  app.notFound((c) => errorResponse(new AppError('not_found', 'There is nothing here.'), c))

  if (deps.metrics) app.use(deps.metrics.middleware)
  app.use(identifyRequests())
  app.use(requireKnownHost(deps.settings, deps.readOrigin))
  app.use(requireOwnOrigin(deps.readOrigin))
  app.use(deps.auth.middleware)
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        c.header('allow', methods.join(', '))
        const error = new AppError('method_not_allowed', `Use ${methods.join(' or ')} here.`)
        return errorResponse(error, c)
      },
    }),
  )

  addHealthRoutes(app, deps)
  addPageRoutes(app, deps)
  addInstanceRoute(app, deps)
  addChatRoute(app, deps)
  addProjectRoutes(app, deps)
  addConversationRoutes(app, deps)
  addEventRoutes(app, deps)
  addTaskRoutes(app, deps)
  addEvidenceRoutes(app, deps)
  addTaskEndingRoute(app, deps)
  addCheckpointRoutes(app, deps)
  addAlternativeRoutes(app, deps)
  addFileRoutes(app, deps)
  addArchiveRoutes(app, deps)
  addSyncRoute(app, deps)
  addPublishRoutes(app, deps)
  addContextRoutes(app, deps)
  addMemoryRoutes(app, deps)
  addReviewCriteriaRoutes(app, deps)
  addCriteriaProposalRoutes(app, deps)
  addEnvironmentRoutes(app, deps)
  addCredentialRoutes(app, deps)
  addApprovalRoutes(app, deps)
  addFindingRoutes(app, deps)
  addMetricsRoutes(app, deps)
  addSandboxRoutes(app, deps)
  addServiceRoutes(app, deps)
  addDocRoutes(app)
  return app
}
