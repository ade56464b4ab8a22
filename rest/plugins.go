package rest

import (
	"net/http"

	"github.com/kvnode/kvnode/engine"
)

// PluginsJSON is the list of installed plugins.
type PluginsJSON struct {
	Plugins []engine.PluginInfo `json:"plugins"`
}

// ActivateJSON names the plugin that judges a table's conflicts: by name, by SHA-256, or by the beginning of one.
type ActivateJSON struct {
	Plugin string `json:"plugin"`
}

func (s *Server) listPlugins(w *tracked, r *http.Request) error {
	plugins, err := s.store.Plugins(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, PluginsJSON{Plugins: orEmpty(plugins)})
}

// putPlugin installs the body as a module.
func (s *Server) putPlugin(w *tracked, r *http.Request) error {
	limits, err := limitsOf(r)
	if err != nil {
		return err
	}
	module, err := readBody(w, r, MaxModuleBytes, engine.ErrModuleTooLarge)
	if err != nil {
		return err
	}
	plugin, err := s.store.InstallPlugin(r.Context(), r.PathValue("name"), module, limits)
	if err != nil {
		return err
	}
	return writeJSON(w, plugin)
}

func limitsOf(r *http.Request) (engine.Limits, error) {
	memory, err := uintParam(r, "memory_bytes")
	if err != nil {
		return engine.Limits{}, err
	}
	fuel, err := uintParam(r, "fuel")
	if err != nil {
		return engine.Limits{}, err
	}
	output, err := uintParam(r, "output_bytes")
	return engine.Limits{MemoryBytes: memory, Fuel: fuel, OutputBytes: output}, err
}

// putHandler makes a plugin judge the table's conflicts.
func (s *Server) putHandler(w *tracked, r *http.Request) error {
	var body ActivateJSON
	if err := readJSON(w, r, maxSmallBytes, false, &body); err != nil {
		return err
	}
	record, err := s.store.Activate(r.Context(), r.PathValue("table"), body.Plugin)
	if err != nil {
		return err
	}
	return writeJSON(w, record)
}
