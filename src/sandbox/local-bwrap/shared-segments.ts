/**
 * Counts what System V keeps for a sandbox (shared memory, messages, semaphores), which belongs to no process and outlives
 * whoever made it. The kernel tells it only to a process of the same IPC namespace, so a short program enters that namespace, by way of the user namespace
 * that owns it, and reads the lists. Node cannot enter a namespace; perl can, and comes with every Debian and its kin.
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const PERL = '/usr/bin/perl'
/** Number of the system call `setns`. */
const SETNS: Readonly<Record<string, number>> = { x64: 308, arm64: 268 }
/** Number of the system call `unshare`. */
const UNSHARE: Readonly<Record<string, number>> = { x64: 272, arm64: 97 }
const TRY_TIMEOUT_MS = 5_000

/**
 * 0xb701 is NS_GET_USERNS, the other two are CLONE_NEWUSER and CLONE_NEWIPC. The last two columns of a segment are its bytes
 * in memory and swapped out; of a queue the fourth and fifth are bytes and messages, of a set the fourth are its semaphores.
 * The kernel takes up to twice a message's length, and 64 bytes for each message and each semaphore.
 */
const COUNT = `
sub count {
  my ($setns, $pid) = @_;
  open(my $ipc, '<', "/proc/$pid/ns/ipc") or return;
  my $user = ioctl($ipc, 0xb701, 0) or return;
  syscall($setns, $user + 0, 0x10000000) == 0 or return;
  syscall($setns, fileno($ipc), 0x08000000) == 0 or return;
  my $bytes = 0;
  for my $kind ('shm', 'msg', 'sem') {
    open(my $list, '<', "/proc/sysvipc/$kind") or return;
    while (<$list>) {
      my @of = split;
      next if $of[0] eq 'key';
      $bytes += $kind eq 'shm' ? $of[14] + $of[15] : $kind eq 'msg' ? 2 * $of[3] + 64 * $of[4] : 64 * $of[3];
    }
  }
  return $bytes;
}`

/** Prints the bytes of the namespace of process `$ARGV[1]`, or nothing and a status that is not 0. */
const COUNT_PROGRAM = `${COUNT}
my $bytes = count(@ARGV);
exit 1 unless defined $bytes;
printf "%.0f\\n", $bytes;`

/** The same with a child that is in namespaces of its own. */
const TRY_PROGRAM = `${COUNT}
my ($setns, $unshare) = @ARGV;
pipe(my $ready, my $told); pipe(my $wait, my $go);
my $pid = fork;
exit 1 unless defined $pid;
if ($pid == 0) {
  close $go; close $ready;
  exit 1 if syscall($unshare, 0x18000000) != 0;
  syswrite $told, 'x'; sysread $wait, my $end, 1;
  exit 0;
}
close $told;
exit 1 unless sysread $ready, my $it, 1;
exit(defined count($setns, $pid) ? 0 : 1);`

/** The command line that prints how many bytes System V holds for a process's IPC namespace. Pure. */
export function segmentsArgv(pid: number): string[] {
  return [PERL, '-e', COUNT_PROGRAM, String(SETNS[process.arch] ?? ''), String(pid)]
}

/**
 * Whether this process may count what System V holds for namespaces that it makes: asked by counting those of one that is made for it.
 * Takes some 20 ms, at most 5 s. Safe to repeat.
 */
export function canCountSegments(): boolean {
  const [setns, unshare] = [SETNS[process.arch], UNSHARE[process.arch]]
  if (setns === undefined || unshare === undefined || !existsSync(PERL)) return false
  const { status } = spawnSync(PERL, ['-e', TRY_PROGRAM, String(setns), String(unshare)], {
    cwd: '/',
    env: {},
    stdio: 'ignore',
    timeout: TRY_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  return status === 0
}
