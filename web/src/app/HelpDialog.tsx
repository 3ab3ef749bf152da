import { Dialog } from '../ui/Dialog'
import { type ShortcutGroup, useShortcutGroups } from '../ui/shortcuts'
import { useWords } from '../words/useWords'
import { useSettings } from './settings'

/** Groups of one title are one list. */
function merged(groups: readonly ShortcutGroup[]): ShortcutGroup[] {
  const byTitle = new Map<string, ShortcutGroup>()
  for (const { title, shortcuts } of groups) {
    byTitle.set(title, { title, shortcuts: [...(byTitle.get(title)?.shortcuts ?? []), ...shortcuts] })
  }
  return [...byTitle.values()].filter((group) => group.shortcuts.length > 0)
}

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { t } = useWords()
  const { singleKeys } = useSettings()
  const groups = merged(useShortcutGroups())
  return (
    <Dialog title={t('help.title')} closeLabel={t('do.close')} onClose={onClose}>
      {singleKeys === 'off' && <p className="quiet-text">{t('help.off')}</p>}
      <div className="help">
        {[...groups].reverse().map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.shortcuts.map((shortcut) => (
                <div key={shortcut.keys + shortcut.does}>
                  <dt>
                    {shortcut.shown.split(' ').map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{shortcut.does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
