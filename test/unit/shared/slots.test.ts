import { expect, test } from 'vitest'
import { createSlots } from '../../../src/shared/slots.ts'

test('at most two run at once, the others in order of arrival, also when one of them fails', async () => {
  const slots = createSlots(2)
  const order: string[] = []
  let now = 0
  let most = 0
  const gates: (() => void)[] = []
  const run = (name: string) =>
    slots.run(async () => {
      order.push(name)
      now += 1
      most = Math.max(most, now)
      await new Promise<void>((resolve) => gates.push(resolve))
      now -= 1
      if (name === 'a') throw new Error('a fails')
    })
  const all = Promise.allSettled(['a', 'b', 'c', 'd'].map(run))
  let isOver = false
  void all.then(() => {
    isOver = true
  })
  while (!isOver) {
    gates.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const settled = await all
  expect({ order, most, failed: settled.filter(({ status }) => status === 'rejected').length }).toEqual({
    order: ['a', 'b', 'c', 'd'],
    most: 2,
    failed: 1,
  })
})
