package project

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// exitMissing is how a shell says that a command does not exist; the SDKs' scripts say it likewise.
	exitMissing = 127
	// grace is how long tools may go on writing after a build was cancelled.
	grace = 2 * time.Second
)

// Build makes the module of the project, with the tools of its language: it runs the script build.sh of the project's copy of the SDK. What the
// tools say goes to output, as they say it. It returns ErrTool, saying what to install, or ErrBuild; ctx ends the build.
func (p Project) Build(ctx context.Context, output io.Writer) error {
	l, err := languageOf(p.Lang, p.Name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(sdkFolder, "build.sh"), p.Source, p.module())
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.Dir, output, output, grace
	err = cmd.Run()
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrTool, err)
	case exited && exit.ExitCode() == exitMissing:
		return fmt.Errorf("%w: handlers in %s need %s", ErrTool, l.title, l.needs)
	}
	return fmt.Errorf("%w (%w): what is wrong stands above", ErrBuild, err)
}
