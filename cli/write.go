package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/kvnode/kvnode/rest"
)

const (
	// batchEntries and batchBytes bound one request of an import.
	batchEntries = 1000
	batchBytes   = 4 << 20
)

func writeFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "ack", Usage: "`LEVEL` to wait for: local, one (another node), quorum (a majority of the known members), all (those that are connected, if any)", DefaultText: "the table's"},
		&cli.StringFlag{Name: "context", Usage: "replace only what the read with this `TOKEN` has seen"},
		&cli.StringFlag{Name: "if-unchanged", Usage: "write only when nothing was written since the read with this `TOKEN`"},
	}, more...)
}

func (sh *shell) putCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "put", Usage: "store a value, or many from a file", ArgsUsage: "TABLE KEY VALUE | TABLE --from FILE",
		Description: "The value '-' is read from stdin. --from reads lines of JSON like {\"key\":\"k\",\"value\":\"v\"}, as 'kvnode match --output json' prints\n" +
			"them; bytes that are not text are in \"key_base64\" and \"value_base64\".",
		Flags: writeFlags(
			&cli.BoolFlag{Name: "if-absent", Usage: "write only when the key is absent"},
			&cli.StringFlag{Name: "from", Usage: "`FILE` with lines of JSON, '-' for stdin"},
		),
		Action: sh.put,
	}, "kvnode put carts alice 2 --ack one", "kvnode put carts --from carts.jsonl")
}

func (sh *shell) delCommand() *cli.Command {
	return withExamples(&cli.Command{
		Name: "del", Usage: "delete keys; an absent one is no error", ArgsUsage: "TABLE KEY...", Flags: writeFlags(), Action: sh.del,
	}, "kvnode del carts alice bob", "kvnode del carts -- -alice")
}

func (sh *shell) put(c *cli.Context) error {
	opts, err := writeOptions(c)
	if err != nil {
		return err
	}
	if c.IsSet("from") {
		return sh.putFrom(c, opts)
	}
	args, err := operands(c, "TABLE KEY VALUE")
	if err != nil {
		return err
	}
	table, key, value := args[0], args[1], []byte(args[2])
	if args[2] == "-" {
		if value, err = io.ReadAll(interruptible(c.Context, sh.stdin)); err != nil {
			return fmt.Errorf("read value from stdin: %w", err)
		}
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		written, err := client.Put(ctx, table, []rest.KV{{Key: key, Value: value}}, opts...)
		if err != nil {
			return &placed{step: fmt.Sprintf("put %s into %s", quoted(key), quoted(table)), table: table, key: key, err: err}
		}
		return sh.showWritten(c, []string{key}, written)
	})
}

func (sh *shell) del(c *cli.Context) error {
	opts, err := writeOptions(c)
	if err != nil {
		return err
	}
	args, err := operands(c, "TABLE KEY...")
	if err != nil {
		return err
	}
	return sh.ask(c, func(ctx context.Context, client *rest.Client) error {
		written, err := client.Delete(ctx, args[0], args[1:], opts...)
		if err != nil {
			failed := &placed{step: "delete from " + quoted(args[0]), table: args[0], err: err}
			if len(args) == 2 {
				failed.key = args[1]
			}
			return failed
		}
		return sh.showWritten(c, args[1:], written)
	})
}

// showWritten prints the outcome of a write for programs; people see that there is no error.
func (sh *shell) showWritten(c *cli.Context, keys []string, written rest.Written) error {
	if c.String("output") != "json" {
		return nil
	}
	return sh.show(c, rest.NewWrittenJSON(keys, written, false), func(*grid) {})
}

func writeOptions(c *cli.Context) ([]rest.WriteOption, error) {
	var opts []rest.WriteOption
	if c.IsSet("context") {
		opts = append(opts, rest.WithContext(c.String("context")))
	}
	if c.IsSet("if-unchanged") {
		opts = append(opts, rest.IfUnchanged(c.String("if-unchanged")))
	}
	if c.Bool("if-absent") {
		opts = append(opts, rest.IfAbsent())
	}
	if len(opts) > 1 || len(opts) == 1 && c.IsSet("from") {
		return nil, usagef("give one of --context, --if-unchanged and --if-absent, and none with --from")
	}
	if c.IsSet("ack") {
		opts = append(opts, rest.WithAck(rest.AckLevel(c.String("ack"))))
	}
	return opts, nil
}

// putFrom stores the entries of a file of JSON lines, in batches.
func (sh *shell) putFrom(c *cli.Context, opts []rest.WriteOption) error {
	args, err := operandsBeside(c, "TABLE", "--from FILE")
	if err != nil {
		return err
	}
	source, err := sh.open(c)
	if err != nil {
		return err
	}
	return sh.stream(c, func(ctx context.Context, client *rest.Client) error {
		b := &batches{store: func(batch []rest.KV) error {
			ctx, cancel := within(ctx, c)
			defer cancel()
			_, err := client.Put(ctx, args[0], batch, opts...)
			return err
		}}
		err := errors.Join(b.read(bufio.NewReader(source)), source.Close())
		sh.say("put %d entries into %s", b.done, args[0])
		return err
	})
}

// open opens the file of --from.
func (sh *shell) open(c *cli.Context) (io.ReadCloser, error) {
	name := c.String("from")
	if name == "-" {
		return io.NopCloser(interruptible(c.Context, sh.stdin)), nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	return file, nil
}

// batches gathers entries and stores many at once.
type batches struct {
	store func([]rest.KV) error
	// batch are the entries since line first, of size bytes; done counts those that are stored.
	batch       []rest.KV
	first, size int
	done        int
}

// read stores the entries of the lines. A line that is wrong ends it; those before it are stored.
func (b *batches) read(lines *bufio.Reader) error {
	for number := 1; ; number++ {
		line, readErr := lines.ReadBytes('\n')
		if err := b.add(number, bytes.TrimSpace(line)); err != nil {
			return err
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return b.flush(number)
		case readErr != nil:
			return fmt.Errorf("read line %d: %w", number, readErr)
		}
	}
}

func (b *batches) add(number int, line []byte) error {
	if len(line) == 0 {
		return nil
	}
	kv, err := parseLine(line)
	if err != nil {
		bad := &fileError{fmt.Sprintf("line %d: %s", number, strings.TrimPrefix(err.Error(), rest.ErrBadRequest.Error()+": "))}
		return errors.Join(bad, b.flush(number-1))
	}
	if len(b.batch) == 0 {
		b.first = number
	}
	b.batch, b.size = append(b.batch, kv), b.size+len(line)
	if len(b.batch) == batchEntries || b.size >= batchBytes {
		return b.flush(number)
	}
	return nil
}

func (b *batches) flush(last int) error {
	if len(b.batch) == 0 {
		return nil
	}
	if err := b.store(b.batch); err != nil {
		return fmt.Errorf("put lines %d to %d: %w", b.first, last, err)
	}
	b.done, b.size, b.batch = b.done+len(b.batch), 0, b.batch[:0]
	return nil
}

func parseLine(line []byte) (rest.KV, error) {
	var entry rest.EntryJSON
	if err := json.Unmarshal(line, &entry); err != nil {
		return rest.KV{}, fmt.Errorf("decode entry: %w", err)
	}
	return entry.KV()
}

// interruptible reads r until ctx ends. Its goroutine ends with r, or else with the process: a terminal cannot be made to stop waiting.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	return out
}
