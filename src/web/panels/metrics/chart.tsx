import { useEffect, useId, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

/** One colour of the bars, a value for each bucket. */
export interface ChartSeries {
  readonly label: string
  /** A token of the theme. */
  readonly colour: '--accent' | '--good' | '--warn' | '--bad' | '--info' | '--line-strong'
  readonly values: readonly number[]
}

/** Series over the same buckets, and how their numbers are written. */
export interface ChartProps {
  readonly title: string
  /** What the numbers are, as it stands behind them. */
  readonly unit: string
  /** The beginning of each bucket, in milliseconds. */
  readonly times: readonly number[]
  readonly series: readonly ChartSeries[]
  readonly format: (value: number) => string
}

const HEIGHT_PX = 140

/** Stacked bars over time. The picture is for the eye; the same numbers stand in a table behind it. */
export function Chart({ title, unit, times, series, format }: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const titleId = useId()
  useEffect(() => {
    const element = host.current
    if (element === null) return
    const draw = (): uPlot => new uPlot(optionsOf(element, { times, series, format }), dataOf(times, series), element)
    let plot = draw()
    const redraw = (): void => {
      plot.destroy()
      plot = draw()
    }
    const sizes = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT_PX }))
    const system = matchMedia('(prefers-color-scheme: dark)')
    const choice = new MutationObserver(redraw)
    sizes.observe(element)
    system.addEventListener('change', redraw)
    choice.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      sizes.disconnect()
      system.removeEventListener('change', redraw)
      choice.disconnect()
      plot.destroy()
    }
  }, [times, series, format])
  return (
    <figure aria-labelledby={titleId} className="flex flex-col gap-1">
      <figcaption id={titleId} className="flex flex-wrap items-baseline gap-x-3 text-sm font-medium">
        {title} <span className="text-xs font-normal text-faint">{unit}</span>
        <span className="flex-1" />
        <Legend series={series} />
      </figcaption>
      <div ref={host} aria-hidden="true" className="h-[140px] min-w-0 overflow-hidden" />
      <details className="text-xs text-muted">
        <summary>As a table</summary>
        <ChartTable {...{ title, unit, times, series, format }} />
      </details>
    </figure>
  )
}

function Legend({ series }: { series: readonly ChartSeries[] }) {
  if (series.length < 2) return null
  return (
    <span className="flex flex-wrap gap-x-3 text-xs font-normal text-muted">
      {series.map(({ label, colour }) => (
        <span key={label} className="inline-flex items-center gap-1">
          <span aria-hidden="true" className="size-2 rounded-sm" style={{ background: `var(${colour})` }} />
          {label}
        </span>
      ))}
    </span>
  )
}

function ChartTable({ title, unit, times, series, format }: ChartProps) {
  return (
    <div className="mt-1 max-h-56 overflow-auto">
      <table className="w-full tabular-nums">
        <caption className="sr-only">{`${title}, ${unit}`}</caption>
        <thead>
          <tr className="text-left">
            <th scope="col">From (UTC)</th>
            {series.map(({ label }) => (
              <th key={label} scope="col" className="text-right">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((time, index) => (
            <tr key={time} className="border-t border-line">
              <th scope="row" className="text-left font-normal">
                {new Date(time).toISOString().slice(0, 16).replace('T', ' ')}
              </th>
              {series.map(({ label, values }) => (
                <td key={label} className="text-right">
                  {format(values[index] ?? 0)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Later series are drawn behind earlier ones, each as high as all up to it, which looks stacked. */
function dataOf(times: readonly number[], series: readonly ChartSeries[]): uPlot.AlignedData {
  const heights = series.map((_, at) =>
    times.map((__, index) => series.slice(0, at + 1).reduce((sum, { values }) => sum + (values[index] ?? 0), 0)),
  )
  return [times.map((time) => time / 1_000), ...heights.reverse()]
}

function optionsOf(
  element: HTMLElement,
  { series, format }: Pick<ChartProps, 'times' | 'series' | 'format'>,
): uPlot.Options {
  const bars = uPlot.paths.bars?.({ size: [0.7, 40] })
  const muted = colourOf(element, '--muted')
  const line = colourOf(element, '--line')
  const axis = {
    stroke: muted,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
    font: '11px ui-sans-serif, system-ui, sans-serif',
  }
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max, 1e-9) * 1.1] } },
    axes: [
      { ...axis, grid: { show: false } },
      { ...axis, size: 52, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...[...series].reverse().map(({ label, colour }) => ({
        label,
        fill: colourOf(element, colour),
        stroke: colourOf(element, colour),
        width: 0,
        points: { show: false },
        ...(bars === undefined ? {} : { paths: bars }),
      })),
    ],
  }
}

/** A token as a colour that a canvas understands. */
function colourOf(element: HTMLElement, token: string): string {
  const probe = element.appendChild(document.createElement('span'))
  probe.style.color = `var(${token})`
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
