package client

import (
	"context"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/value"
)

// settingControl is the setting group control block of the logical device ld.
//
// IEC 61850-7-2, 16.
func settingControl(ld string) (acsi.Ref, error) { return acsi.NewRef(ld, "LLN0.SGCB", acsi.SP) }

// SettingGroups reads the setting group control block of the logical device ld.
func (c *Client) SettingGroups(ctx context.Context, ld string) (*ControlBlock, error) {
	ref, err := settingControl(ld)
	if err != nil {
		return nil, err
	}
	return c.ControlBlock(ctx, ref)
}

// ActivateGroup puts the settings of a group, from 1, in force.
//
// IEC 61850-7-2, 16.3.2, SelectActiveSG.
func (c *Client) ActivateGroup(ctx context.Context, ld string, group uint8) error {
	return c.setSettingControl(ctx, ld, "ActSG", value.Uint(uint64(group)))
}

// EditGroup begins to edit a group, from 1; 0 ends it, and drops what was not confirmed. What is edited is under SE.
//
// IEC 61850-7-2, 16.3.3, SelectEditSG.
func (c *Client) EditGroup(ctx context.Context, ld string, group uint8) error {
	return c.setSettingControl(ctx, ld, "EditSG", value.Uint(uint64(group)))
}

// ConfirmEdit makes what was edited a part of its group.
//
// IEC 61850-7-2, 16.3.6, ConfirmEditSGValues.
func (c *Client) ConfirmEdit(ctx context.Context, ld string) error {
	return c.setSettingControl(ctx, ld, "CnfEdit", value.Bool(true))
}

func (c *Client) setSettingControl(ctx context.Context, ld, name string, v value.Value) error {
	ref, err := settingControl(ld)
	if err == nil {
		ref, err = ref.Child(name)
	}
	if err != nil {
		return err
	}
	errs, err := c.Set(ctx, Assignment{Object: Object{Ref: ref}, Value: v})
	if err != nil {
		return err
	}
	if errs[0] != nil {
		return fmt.Errorf("%s: %w", ref, errs[0])
	}
	return nil
}

// EditSettings writes settings, each under SE, into a group and confirms them: all or, where one of them is refused, none.
func (c *Client) EditSettings(ctx context.Context, ld string, group uint8, settings ...Assignment) error {
	for _, s := range settings {
		if s.Ref.FC() != acsi.SE || s.Ref.LD() != ld {
			return acsi.Errorf(acsi.InvalidAddress, "%s is no setting of %s that can be edited: name it with [SE]", s.Ref, ld)
		}
	}
	if err := c.EditGroup(ctx, ld, group); err != nil {
		return err
	}
	err := c.writeSettings(ctx, settings)
	if err == nil {
		err = c.ConfirmEdit(ctx, ld)
	}
	if err != nil {
		_ = c.EditGroup(context.WithoutCancel(ctx), ld, 0) // the IED drops it by itself, later
	}
	return err
}

func (c *Client) writeSettings(ctx context.Context, settings []Assignment) error {
	errs, err := c.Set(ctx, settings...)
	if err != nil {
		return err
	}
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", settings[i].Ref, err)
		}
	}
	return nil
}
