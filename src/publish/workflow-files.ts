/** Files that make a service run something with its own secrets, by their path in the repository. */
const WORKFLOW_FILES =
  /^(\.(github|gitea|forgejo)\/(workflows|actions)\/.*|\.gitlab-ci\.ya?ml|\.gitlab\/ci\/.*|\.circleci\/.*|\.travis\.yml|\.drone\.ya?ml|\.woodpecker(\/.*|\.ya?ml)|\.buildkite\/.*|\.azure-pipelines\/.*|azure-pipelines\.ya?ml|bitbucket-pipelines\.yml|appveyor\.yml|\.cirrus\.yml|Jenkinsfile)$/i

/** Which of these changed paths are such files; publishing them needs a person's word. Pure. */
export function workflowFiles(paths: readonly string[]): string[] {
  return paths.filter((path) => WORKFLOW_FILES.test(path))
}
