package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/plugins/project"
)

func (sh *shell) pluginNewCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "new", Usage: "begin a handler that already works, with its tests and a copy of the SDK", ArgsUsage: "NAME [DIR]",
		Description: "DIR is NAME, unless said otherwise; it must be empty or not there. Nothing is downloaded.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "lang", Value: "go", Usage: "`LANGUAGE` of the handler: " + joined(project.Languages())},
		},
		Action: sh.pluginNew,
	}, "kvnode plugin new carts", "kvnode plugin new carts handlers/carts --lang rust")
}

// newJSON is what `plugin new --output json` prints.
type newJSON struct {
	Dir string `json:"dir"`
	project.Project
	Files []string `json:"files"`
}

func (sh *shell) pluginNew(c *cli.Context) error {
	args, err := operands(c, "NAME [DIR]")
	if err != nil {
		return err
	}
	dir := args[1]
	if dir == "" {
		dir = args[0]
	}
	p, files, err := project.Create(dir, args[0], c.String("lang"))
	switch {
	case errors.Is(err, project.ErrName), errors.Is(err, project.ErrLanguage):
		return usagef("%s", err)
	case err != nil:
		return fmt.Errorf("begin %s: %w", quoted(args[0]), err)
	}
	err = sh.show(c, newJSON{dir, p, files}, func(w *grid) {
		for _, file := range files {
			w.row(printable(filepath.Join(dir, file)))
		}
	})
	sh.say("the handler is in %s; next: cd %s && kvnode plugin build", printable(filepath.Join(dir, p.Source)), printable(dir))
	return err
}
