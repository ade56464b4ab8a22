package rest

import "github.com/kvnode/kvnode/engine"

// The engine's types, under the names that callers of the client use.
type (
	// Entry is an engine.Entry.
	Entry = engine.Entry
	// Version is an engine.Version.
	Version = engine.Version
	// Change is an engine.Change.
	Change = engine.Change
	// KV is an engine.KV.
	KV = engine.KV
	// Written is an engine.Written.
	Written = engine.Written
	// Pattern is an engine.Pattern.
	Pattern = engine.Pattern
	// TableOptions are engine.TableOptions.
	TableOptions = engine.TableOptions
	// TableInfo is an engine.TableInfo.
	TableInfo = engine.TableInfo
	// TableType is an engine.TableType.
	TableType = engine.TableType
	// Policy is an engine.Policy.
	Policy = engine.Policy
	// Deletes is an engine.Deletes.
	Deletes = engine.Deletes
	// AckLevel is an engine.AckLevel.
	AckLevel = engine.AckLevel
	// Limits are engine.Limits.
	Limits = engine.Limits
	// Handler is an engine.Handler.
	Handler = engine.Handler
	// Replayed is an engine.Replayed.
	Replayed = engine.Replayed
	// ReplayQuery is an engine.ReplayQuery.
	ReplayQuery = engine.ReplayQuery
	// LogLine is an engine.LogLine.
	LogLine = engine.LogLine
	// ShadowReport is an engine.ShadowReport.
	ShadowReport = engine.ShadowReport
	// Outcome is an engine.Outcome.
	Outcome = engine.Outcome
	// Reset is an engine.Reset.
	Reset = engine.Reset
	// PluginInfo is an engine.PluginInfo.
	PluginInfo = engine.PluginInfo
	// Conflict is an engine.Conflict.
	Conflict = engine.Conflict
	// JournalOption is an engine.JournalOption.
	JournalOption = engine.JournalOption
	// Resolution is an engine.Resolution.
	Resolution = engine.Resolution
	// Member is an engine.Member.
	Member = engine.Member
	// Status is an engine.Status.
	Status = engine.Status
)
