import { Component, type ReactNode } from 'react'
import { ErrorState } from '../ui/states.tsx'

/** Keeps a fault of one region in that region. */
export class PanelBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
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
        onRetry={() => this.setState({ error: null })}
      />
    )
  }
}
