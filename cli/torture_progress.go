package cli

import (
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// tellEvery is the pause between two lines where there is no terminal.
const tellEvery = time.Second

// progress says how far something is: as a bar on a terminal, and otherwise as a line a second. Safe for concurrent use.
type progress struct {
	sh *shell

	mu   sync.Mutex // guards what follows
	bar  *progressbar.ProgressBar
	last time.Time
}

// steps is the resolution of the bar.
const steps = 1000

// newProgress begins to count what is named.
func (sh *shell) newProgress(what string) *progress {
	p := &progress{sh: sh, last: time.Now()}
	if isTerminal(sh.talk) {
		p.bar = progressbar.NewOptions(
			steps, progressbar.OptionSetWriter(sh.talk), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(20),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false),
		)
	}
	return p
}

// tell says which part is done, from 0 to 1, and what happens.
func (p *progress) tell(part float64, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.bar != nil:
		p.bar.Describe(cut(what))
		_ = p.bar.Set(int(min(part, 1) * (steps - 1))) // a bar that cannot be drawn stops nothing
	case now.Sub(p.last) >= tellEvery:
		p.last = now
		p.sh.say("%s", what)
	}
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
