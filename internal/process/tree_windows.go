package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/run"
)

// On Windows the tree is a job object that the server holds the only handle of:
// when the server ends, however it ends, the system kills every member. The shim
// exists for the two-phase start; it is the job's first member.
type tree struct{ job windows.Handle }

func selfPath() string {
	p, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return p
}

// uptime is not told: the shim does nothing by itself here.
func uptime() (time.Duration, bool) { return 0, false }

// Shield does nothing on this system.
func Shield() error { return nil }

func rootDir() string { return filepath.VolumeName(selfPath()) + `\` }

func wake(*os.Process) {}

// startShim starts cmd and puts it into a job object before it gets any order.
func startShim(cmd *exec.Cmd, control, status *os.File) (*tree, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("create job object: %w", err)
	}
	t := &tree{job: job}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))); err != nil {
		return nil, errors.Join(fmt.Errorf("set up job object: %w", err), windows.CloseHandle(job))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW}
	for _, f := range []*os.File{control, status} {
		h := windows.Handle(f.Fd())
		if err := windows.SetHandleInformation(h, windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT); err != nil {
			return nil, errors.Join(err, windows.CloseHandle(job))
		}
		cmd.SysProcAttr.AdditionalInheritedHandles = append(cmd.SysProcAttr.AdditionalInheritedHandles, syscall.Handle(h))
		cmd.Args = append(cmd.Args, strconv.FormatUint(uint64(h), 10))
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, windows.CloseHandle(job))
	}
	if err := t.adopt(cmd.Process.Pid); err != nil {
		err = errors.Join(err, cmd.Process.Kill(), windows.CloseHandle(job))
		_ = cmd.Wait()
		return nil, err
	}
	return t, nil
}

func (t *tree) adopt(pid int) error {
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return fmt.Errorf("open supervisor: %w", err)
	}
	defer func() { _ = windows.CloseHandle(h) }()
	if err := windows.AssignProcessToJobObject(t.job, h); err != nil {
		return fmt.Errorf("put supervisor into job object: %w", err)
	}
	return nil
}

// mainExited ends what the command left behind, and the shim.
func (t *tree) mainExited() { t.kill() }

func (t *tree) kill() { _ = windows.TerminateJobObject(t.job, 1) }

// finish returns when the job object has no member.
func (t *tree) finish() {
	t.kill()
	for t.members() > 0 {
		<-clock.System{}.NewTimer(sweepPause).C()
	}
	_ = windows.CloseHandle(t.job)
}

// accounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION.
type accounting struct {
	TotalUserTime, TotalKernelTime, PeriodUserTime, PeriodKernelTime int64
	PageFaults, Total, Active, Terminated                            uint32
}

func (t *tree) members() uint32 {
	const basicAccounting = 1
	var a accounting
	if windows.QueryInformationJobObject(t.job, basicAccounting, uintptr(unsafe.Pointer(&a)), uint32(unsafe.Sizeof(a)), nil) != nil {
		return 0
	}
	return a.Active
}

// superviseMain is the life of a shim. args are the handles of its pipes.
func superviseMain(args []string) {
	var pipes []*os.File
	for _, a := range args {
		if h, err := strconv.ParseUint(a, 10, 64); err == nil {
			_ = windows.SetHandleInformation(windows.Handle(h), windows.HANDLE_FLAG_INHERIT, 0)
			pipes = append(pipes, os.NewFile(uintptr(h), "pipe"))
		}
	}
	if len(pipes) != 2 {
		fmt.Fprintln(os.Stderr, "runsheet: this argument is for internal use")
		return
	}
	orders, report := json.NewDecoder(pipes[0]), json.NewEncoder(pipes[1])
	var sp, do order
	if orders.Decode(&sp) != nil || sp.Spec == nil || orders.Decode(&do) != nil || do.Do != doGo {
		return
	}
	cmd := &exec.Cmd{
		Path: sp.Spec.Path, Args: sp.Spec.Argv, Env: sp.Spec.Env, Dir: sp.Spec.Dir,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	err := errors.New("limits are not available on Windows")
	if sp.Spec.Limits == (Limits{}) {
		err = cmd.Start()
	}
	if err != nil {
		_ = report.Encode(status{Event: evFailed, Error: err.Error(), Permanent: errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)})
		return
	}
	_ = report.Encode(status{Event: evStarted})
	_ = cmd.Wait()
	_ = report.Encode(status{Event: evExited, Code: cmd.ProcessState.ExitCode()})
	// The server ends the job object now, and this process with it.
	_ = orders.Decode(&do)
}

func execMain() {}

// Identity names the process that has pid now, so that it can be recognised
// later, also after a reboot. It is false if there is none.
func Identity(pid int) (run.Process, bool) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return run.Process{}, false
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var born, ended, kernel, user windows.Filetime
	var code uint32
	const stillActive = 259
	if windows.GetProcessTimes(h, &born, &ended, &kernel, &user) != nil ||
		windows.GetExitCodeProcess(h, &code) != nil || code != stillActive {
		return run.Process{}, false
	}
	return run.Process{Pid: pid, Start: strconv.FormatInt(born.Nanoseconds(), 10)}, true
}

// Sweep waits until the recorded supervisors are gone. The system kills the job
// object of a server that died, so there is nothing to search for; one that is
// still there is ended, and after five seconds it is an error.
func Sweep(ctx context.Context, clk clock.Clock, dead []Survivor) (killed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	for _, d := range dead {
		for first := true; ; first = false {
			now, ok := Identity(d.Process.Pid)
			if d.Process.Pid <= 4 || d.Process.Pid == os.Getpid() || !ok || now != d.Process {
				break
			}
			if p, err := os.FindProcess(d.Process.Pid); err == nil && first {
				_ = p.Kill()
				killed++
			}
			if clock.Sleep(ctx, clk, 10*time.Millisecond) != nil {
				return killed, fmt.Errorf("supervisor %d of a dead attempt is still alive", d.Process.Pid)
			}
		}
	}
	return killed, nil
}
