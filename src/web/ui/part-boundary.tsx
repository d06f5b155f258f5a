import { Component, type ReactNode } from 'react'
import { ErrorState } from './states.tsx'

/** Keeps a fault of one part of the page in that part, which says so. `onRetry` is called before it is drawn again. */
export class PartBoundary extends Component<{ children: ReactNode; onRetry?: () => void }, { error: unknown }> {
  override state: { error: unknown } = { error: null }

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error }
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children
    return (
      <ErrorState
        title="This part of the page broke"
        error={this.state.error}
        onRetry={() => {
          this.props.onRetry?.()
          this.setState({ error: null })
        }}
      />
    )
  }
}
