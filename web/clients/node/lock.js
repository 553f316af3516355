'use strict';

/**
 * Which process of a host may replay. Node has no flock, so there are numbered files: the holder
 * is who made the highest one, for as long as that process lives. The next one can be made once
 * only (`link` fails where there is one), and the highest is never removed.
 */

const fs = require('node:fs/promises');
const { readFileSync } = require('node:fs');
const { randomUUID } = require('node:crypto');
const path = require('node:path');

const PATTERN = /^lock\.(\d+)$/;

class Lock {
  constructor(folder) {
    this.folder = folder;
    this.held = null;
  }

  /** Take it unless a process that lives has it; tell whether we have it now. */
  async acquire() {
    if (this.held !== null) return true;
    const highest = Math.max(0, ...(await this.numbers()));
    if (highest > 0 && (await this.isHeld(highest))) return false;
    const mine = highest + 1;
    if (!(await this.make(mine))) return false;
    const numbers = await this.numbers();
    if (Math.max(...numbers) > mine) {
      // We looked long ago: others have gone on since, and one of them may hold it.
      await fs.rm(this.file(mine), { force: true });
      return false;
    }
    for (const number of numbers) {
      if (number < mine) await fs.rm(this.file(number), { force: true });
    }
    this.held = mine;
    return true;
  }

  /** Give it up; its file stays, and says that nobody has it. */
  async release() {
    const { held } = this;
    if (held === null) return;
    this.held = null;
    const temporary = await this.write(JSON.stringify({ pid: 0 }));
    await fs.rename(temporary, this.file(held));
  }

  file(number) {
    return path.join(this.folder, `lock.${number}`);
  }

  async numbers() {
    const names = await fs.readdir(this.folder);
    return names
      .map((name) => PATTERN.exec(name))
      .filter(Boolean)
      .map((found) => Number(found[1]));
  }

  async isHeld(number) {
    let holder;
    try {
      holder = JSON.parse(await fs.readFile(this.file(number), 'utf8'));
    } catch (error) {
      // Gone: a higher one is there by now. Unreadable: a power cut, so its process is dead.
      return error.code === 'ENOENT';
    }
    return holder.pid > 0 && birthOf(holder.pid) === holder.birth;
  }

  async make(number) {
    const temporary = await this.write(
      JSON.stringify({ pid: process.pid, birth: birthOf(process.pid) }),
    );
    try {
      await fs.link(temporary, this.file(number));
      return true;
    } catch (error) {
      if (error.code === 'EEXIST') return false;
      throw error;
    } finally {
      await fs.rm(temporary, { force: true });
    }
  }

  async write(text) {
    const temporary = path.join(this.folder, `lock-${process.pid}-${randomUUID()}.tmp`);
    await fs.writeFile(temporary, text);
    return temporary;
  }
}

/** Say when a process began, so that another one with its number is not taken for it. */
function birthOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${fields[19]}`;
  } catch {
    return process.platform === 'linux' ? null : livesElsewhere(pid);
  }
}

/** Without /proc all that can be asked is whether there is such a process. */
function livesElsewhere(pid) {
  try {
    process.kill(pid, 0);
    return '';
  } catch (error) {
    return error.code === 'EPERM' ? '' : null;
  }
}

module.exports = { Lock };
