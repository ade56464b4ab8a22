package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// startPatience bounds the start of a process, leavePatience its end after it was asked to leave.
	startPatience = 60 * time.Second
	leavePatience = 60 * time.Second
)

// process is one running node.
type process struct {
	cmd *exec.Cmd
	// http and listens are where it takes requests and routes.
	http, listens string
	// done is closed when it has ended; err is set before.
	done chan struct{}
	err  error
	// wanted says that this process wants it to end.
	wanted atomic.Bool
}

// startProcess starts a node and waits until it says where it listens. It ends with ctx. What it says goes to log, line by line.
func startProcess(ctx context.Context, program string, args []string, log func(line string)) (*process, error) {
	lines := newLineWriter(log)
	p := &process{cmd: exec.CommandContext(ctx, program), done: make(chan struct{})}
	p.cmd.Args = append([]string{"kvnode", "start"}, args...)
	p.cmd.Env = environment()
	p.cmd.Stdout, p.cmd.Stderr = io.Discard, lines
	p.cmd.SysProcAttr = apart()
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	timer := time.NewTimer(startPatience)
	defer timer.Stop()
	select {
	case at := <-lines.listens:
		p.http, p.listens = at[0], at[1]
		return p, nil
	case <-p.done:
		return nil, errors.Join(fmt.Errorf("%w: it ended before it listened", ErrCluster), p.err)
	case <-timer.C:
	case <-ctx.Done():
	}
	p.kill()
	return nil, fmt.Errorf("%w: it does not say where it listens", ErrCluster)
}

// environment is this process's without what would configure a node.
func environment() []string {
	var out []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "KVNODE_") {
			out = append(out, entry)
		}
	}
	return out
}

// kill ends the process at once, and waits for its end.
func (p *process) kill() {
	p.wanted.Store(true)
	_ = p.cmd.Process.Kill() // that it has ended is as good
	<-p.done
}

// leave asks the process to end in order, and reports whether it does.
func (p *process) leave() bool {
	p.wanted.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(leavePatience)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		p.kill()
		return false
	}
}

// signal stops the process or lets it go on.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// lineWriter passes whole lines on, and finds where the node listens, in the first line that it says.
type lineWriter struct {
	log          func(line string)
	announcement *regexp.Regexp
	listens      chan [2]string
	rest         string
}

func newLineWriter(log func(line string)) *lineWriter {
	return &lineWriter{
		log: log, announcement: regexp.MustCompile(`^node \S+ of cluster \S+: HTTP on (\S+), routes on ([^,\s]+)`), listens: make(chan [2]string, 1),
	}
}

// Write implements io.Writer.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest += string(b)
	for {
		line, rest, whole := strings.Cut(w.rest, "\n")
		if !whole {
			return len(b), nil
		}
		w.rest = rest
		if at := w.announcement.FindStringSubmatch(line); at != nil {
			w.listens <- [2]string(at[1:])
		}
		w.log(line)
	}
}
