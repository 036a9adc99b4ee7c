package server

import (
	"time"

	"busbar.example/acsi"
)

// makeSettings has nothing to make.
func (e *Engine) makeSettings() error { return nil }

// settingBlock reports whether p is, or is in, a setting group control block.
func (e *Engine) settingBlock(acsi.Ref) bool { return false }

// setSettingBlock carries out a write to an attribute of a setting group control block at p.
func (c *call) setSettingBlock(a acsi.Assignment, _ point) error {
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED does not serve setting groups: %s cannot be written", a.Ref)
}

// setSetting carries out a write under SE at p.
func (c *call) setSetting(a acsi.Assignment, _ point) error {
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED does not serve the editing of setting groups: %s cannot be written", a.Ref)
}

func (e *Engine) tickSettings(time.Time) {}

func (e *Engine) nextSetting() time.Time { return time.Time{} }

// closeSettings drops what the association has edited and not confirmed.
func (s *session) closeSettings() {}
