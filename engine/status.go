package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Ready says whether the node has caught up with its peers and serves.
func (e *Engine) Ready() bool { return e.core.published.Load().ready }

// ReadyPeer names a ready member's HTTP address, for requests that come before this node is ready.
func (e *Engine) ReadyPeer() (string, bool) {
	for _, p := range e.core.published.Load().peers {
		if p.ready && !p.leaving && p.http != "" {
			return p.http, true
		}
	}
	return "", false
}

// Members lists the known and the connected members, this one included, by name.
func (e *Engine) Members(context.Context) ([]Member, error) {
	cfg := e.core.cfg
	v := e.core.published.Load()
	out := []Member{{
		Name: cfg.Name, Incarnation: cfg.Actor, HTTP: cfg.HTTP, Route: cfg.Route, Self: true, Connected: true, Ready: v.ready,
		Restarts: cfg.Restarts, Uptime: e.uptime().Round(time.Second).String(),
	}}
	for _, p := range v.peers {
		out = append(out, Member{
			Name: p.name, Incarnation: p.actor, HTTP: p.http, Route: p.route, Connected: true, Ready: p.ready, Restarts: p.restarts,
			Uptime: cfg.Now().Sub(p.since).Round(time.Second).String(),
		})
	}
	for _, m := range v.known {
		if !slices.ContainsFunc(out, func(o Member) bool { return o.Name == m.Name }) {
			out = append(out, Member{Name: m.Name, Incarnation: m.Actor, HTTP: m.HTTP, Route: m.Route})
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (e *Engine) uptime() time.Duration {
	return e.core.cfg.Now().Sub(e.opened)
}

// Status describes this node.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	members, err := e.Members(ctx)
	if err != nil {
		return Status{}, err
	}
	cfg := e.core.cfg
	out := Status{
		Name: cfg.Name, Cluster: cfg.Cluster, Actor: cfg.Actor, Ready: e.Ready(), Uptime: e.uptime(), Restarts: cfg.Restarts, Members: members,
		Findings: e.core.audit.findings.Load(),
	}
	for _, t := range e.core.space.sortedTables() {
		info := e.core.space.info(t)
		out.Tables++
		out.Keys += info.Keys
		out.Conflicts += info.Conflicts
	}
	for _, p := range e.core.everyPartition() {
		known := p.clock()
		out.Incarnations = max(out.Incarnations, known.Len())
		out.ClockBytes = max(out.ClockBytes, len(known.AppendBinary(nil)))
	}
	var all uint64
	for _, d := range e.core.digests() {
		all = all*31 + d.Clocks
	}
	out.Digest = fmt.Sprintf("%016x", all)
	return out, nil
}
