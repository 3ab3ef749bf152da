import { Radios } from '../ui/Field'
import { useWords } from '../words/useWords'
import { changeSettings, useSettings } from './settings'

/** What a reader chooses once; each choice acts at once, so there is nothing to save. */
export function SettingsPage() {
  const { t } = useWords()
  const now = useSettings()
  return (
    <div className="page narrow">
      <h1>{t('settings.title')}</h1>
      <p className="quiet-text">{t('settings.kept')}</p>
      <div className="settings">
        <Radios
          label={t('settings.language')}
          value={now.language}
          options={[
            { value: 'en', label: 'English' },
            { value: 'ko', label: '한국어' },
          ]}
          onChosen={(language) => changeSettings({ language })}
        />
        <Radios
          label={t('settings.theme')}
          value={now.theme}
          options={[
            { value: 'dark', label: t('settings.theme.dark') },
            { value: 'light', label: t('settings.theme.light') },
            { value: 'system', label: t('settings.theme.system') },
          ]}
          onChosen={(theme) => changeSettings({ theme })}
        />
        <Radios
          label={t('settings.display')}
          value={now.display}
          options={[
            { value: 'radiological', label: t('settings.display.radiological') },
            { value: 'neurological', label: t('settings.display.neurological') },
          ]}
          onChosen={(display) => changeSettings({ display })}
        />
        <Radios
          label={t('settings.colours')}
          value={now.colours}
          options={[
            { value: 'report', label: t('settings.colours.report') },
            { value: 'safe', label: t('settings.colours.safe') },
          ]}
          onChosen={(colours) => changeSettings({ colours })}
        />
        <ul className="swatches">
          {(['ncr', 'ed', 'et'] as const).map((tissue) => (
            <li key={tissue}>
              <span className={`swatch ${tissue}`} />
              {t(`tissue.${tissue}`)}
            </li>
          ))}
        </ul>
        <Radios
          label={t('settings.mouse')}
          value={now.mouse}
          options={[
            { value: 'itksnap', label: t('settings.mouse.itksnap') },
            { value: 'pacs', label: t('settings.mouse.pacs') },
          ]}
          onChosen={(mouse) => changeSettings({ mouse })}
        />
        <Radios
          label={t('settings.keys')}
          value={now.singleKeys}
          options={[
            { value: 'on', label: t('settings.keys.on') },
            { value: 'off', label: t('settings.keys.off') },
          ]}
          onChosen={(singleKeys) => changeSettings({ singleKeys })}
        />
      </div>
    </div>
  )
}
