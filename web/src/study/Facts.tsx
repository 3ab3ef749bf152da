/** What a model's card says, as its training program wrote it: plain facts in a list, groups of them folded. */
export function Facts({ facts }: { facts: Readonly<Record<string, unknown>> }) {
  const entries = Object.entries(facts)
  const plain = entries.filter(([, value]) => !isGroup(value))
  const groups = entries.filter((entry): entry is [string, Record<string, unknown>] => isGroup(entry[1]))
  return (
    <>
      <dl className="card-facts">
        {plain.map(([key, value]) => (
          <div key={key}>
            <dt>{readable(key)}</dt>
            <dd>{Array.isArray(value) ? value.map(textOf).join(', ') : textOf(value)}</dd>
          </div>
        ))}
      </dl>
      {groups.map(([key, group]) => (
        <details key={key}>
          <summary>{readable(key)}</summary>
          <Facts facts={group} />
        </details>
      ))}
    </>
  )
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readable(key: string): string {
  return key.replaceAll('_', ' ')
}

function textOf(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toPrecision(4)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
