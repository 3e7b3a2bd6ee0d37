/** The tree of a vault in the bucket, a folder at a time, and the versions of a file. */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import type { BrowseLine, FileVersion } from '../../model/browser.ts';
import { formatBytes, formatCount } from '../../model/display.ts';
import { filesOf, nameIn } from '../lists.ts';
import { shownName } from '../names.ts';
import type { BrowsePlace } from '../ui.ts';
import { Bar, Cell, Fixed, Gap, Line, Name, Words, colour } from '../parts.tsx';
import { type ListProps, List, Mark, placeOf, titled } from '../views.tsx';
import { dateTime } from '../words.ts';
import type { BrowseShown } from './store.ts';

export interface BrowseProps extends ListProps {
  readonly place: BrowsePlace;
  readonly shown: BrowseShown;
}

const BAR = 12;

export function Browse({ place, shown, ...list }: BrowseProps): ReactNode {
  const { restoring, restored } = shown;
  const below = restoring !== undefined || restored !== undefined ? 1 : 0;
  const inner = { ...list, height: list.height - below };
  return (
    <Box flexDirection="column" height={list.height} overflow="hidden">
      {place.file === undefined ? (
        <Folder {...inner} place={place} shown={shown} />
      ) : (
        <Versions {...inner} file={place.file} versions={shown.versions} />
      )}
      {restoring !== undefined && <Restoring {...restoring} width={list.width} />}
      {restoring === undefined && restored !== undefined && (
        <Line>
          <Fixed>
            <Text {...colour(restored.good ? 'green' : 'yellow')}>{restored.good ? ' ✓ ' : ' ! '}</Text>
          </Fixed>
          <Name text={shownName(restored.text)} />
        </Line>
      )}
    </Box>
  );
}

function Folder({ place, shown, ...list }: BrowseProps): ReactNode {
  const lines = filesOf(shown.lines, list.filter);
  const where = place.folder === '' ? 'BROWSE' : `BROWSE  ${shownName(place.folder)}`;
  return (
    <List<BrowseLine>
      {...list}
      title={titled(place.removed ? `${where}  with removed files` : where, list.filter)}
      remark={remarkOf(shown, list.selected, lines.length, list.filter)}
      lines={lines}
      details={0}
      row={(line, chosen) =>
        line.kind === 'folder' ? (
          <Line key={line.path}>
            <Mark chosen={chosen} />
            <Name text={shownName(nameIn(line.path))} />
          </Line>
        ) : (
          <Line key={`${line.path}:`}>
            <Mark chosen={chosen} sign={line.removed ? '✗' : ' '} />
            <Name text={shownName(nameIn(line.path))} />
            {line.removed && (
              <Fixed>
                <Text {...colour('yellow')}>{'  removed'}</Text>
              </Fixed>
            )}
            <Cell width={11} end>
              {formatBytes(line.bytes)}
            </Cell>
            <Gap cells={2} />
            <Cell width={17}>{dateTime(line.modified)}</Cell>
          </Line>
        )
      }
    />
  );
}

function remarkOf({ state, failure }: BrowseShown, selected: number, count: number, filter: string): string {
  if (state === 'failed') return count === 0 ? failure : 'not all of it could be read';
  if (state === 'reading') return 'reading…';
  const place = placeOf(selected, count, filter, 'nothing is here');
  if (state === 'full') return `${place}, more than is shown: s3vault ls`;
  return state === 'more' && count > 0 ? `${place} and more` : place;
}

function Versions({
  file,
  versions,
  ...list
}: ListProps & { readonly file: string; readonly versions: readonly FileVersion[] | undefined }): ReactNode {
  const lines = versions ?? [];
  return (
    <List<FileVersion>
      selected={list.selected}
      height={list.height}
      title={`VERSIONS  ${shownName(file)}`}
      remark={versions === undefined ? 'reading…' : placeOf(list.selected, lines.length, '', 'none')}
      lines={lines}
      details={2}
      row={(version, chosen) => (
        <Line key={version.versionId}>
          <Mark chosen={chosen} sign={version.marker ? '✗' : ' '} />
          <Cell width={18}>{dateTime(version.modified)}</Cell>
          <Cell width={11} end>
            {version.marker ? 'removed' : formatBytes(version.bytes)}
          </Cell>
          <Gap cells={2} />
          <Cell width={9}>{version.latest ? 'current' : ''}</Cell>
          <Name text={shownName(version.versionId)} />
        </Line>
      )}
      {...(lines.length > 0 && lines.every(({ versionId }) => versionId === 'null')
        ? {
            more: () => (
              <Text wrap="wrap">the bucket keeps no versions: what is overwritten or removed is gone</Text>
            ),
          }
        : {})}
    />
  );
}

function Restoring({
  out,
  progress,
  width,
}: NonNullable<BrowseShown['restoring']> & { readonly width: number }): ReactNode {
  if (progress === undefined || progress.ofFiles === 0) {
    return (
      <Line>
        <Words text={` RESTORE  opening…  → ${shownName(out)}`} />
      </Line>
    );
  }
  const { files, ofFiles, bytes, ofBytes, failed } = progress;
  const share = ofBytes === 0 ? files / ofFiles : Math.min(1, bytes / ofBytes);
  const failing = failed > 0 ? `, ${formatCount(failed)} failed` : '';
  return (
    <Line>
      <Fixed>
        <Text> RESTORE </Text>
        {width >= 60 && <Bar share={share} width={BAR} />}
      </Fixed>
      <Words
        text={`  ${formatCount(files)} of ${formatCount(ofFiles)} files, ${formatBytes(bytes)} of ${formatBytes(ofBytes)}${failing}  → ${shownName(out)}`}
      />
      <Fixed>
        <Text dimColor> x stops it </Text>
      </Fixed>
    </Line>
  );
}
