package main

import (
	"time"

	eebusapi "github.com/enbility/eebus-go/api"
	"github.com/enbility/eebus-go/features/client"
	ucapi "github.com/enbility/eebus-go/usecases/api"
	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
)

// What the box has seen of its partners.

// optional drops the value of a getter of eebus-go that reports an error: it stands for "not available".
func optional[T any](value T, err error) any {
	if err != nil {
		return nil
	}
	return value
}

func (b *box) limitOf(direction string, entity spineapi.EntityRemoteInterface) any {
	var limit ucapi.LoadLimit
	var err error
	if direction == "consumption" {
		limit, err = b.consumption.ConsumptionLimit(entity)
	} else {
		limit, err = b.production.ProductionLimit(entity)
	}
	if err != nil {
		return nil
	}
	return fields{
		"value_w": limit.Value, "active": limit.IsActive, "changeable": limit.IsChangeable,
		"duration_s": limit.Duration.Seconds(), // eebus-go says 0 for "without end"
	}
}

type readCommand struct {
	target
	Refresh bool `json:"refresh"` // read from the partner instead of trusting what its notifications said
}

func (b *box) readBack(command readCommand) (any, error) {
	entity, err := b.entityFor(command.SKI, b.consumption)
	if err != nil {
		return nil, err
	}
	control, err := client.NewLoadControl(b.entity, entity)
	if err != nil {
		return nil, err
	}
	configuration, err := client.NewDeviceConfiguration(b.entity, entity)
	if err != nil {
		return nil, err
	}
	if command.Refresh {
		if err := refreshed(entity.Device().Sender(), control, func() (*model.MsgCounterType, error) {
			return control.RequestLimitData(nil, nil)
		}); err != nil {
			return nil, err
		}
		if err := refreshed(entity.Device().Sender(), configuration, func() (*model.MsgCounterType, error) {
			return configuration.RequestKeyValues(nil, nil)
		}); err != nil {
			return nil, err
		}
	}
	duration, durationErr := b.consumption.FailsafeDurationMinimum(entity)
	return fields{
		"limits": fields{
			"consumption": b.limitOf("consumption", entity),
			"production":  b.limitOf("production", entity),
		},
		"failsafe": fields{
			"consumption_w": optional(b.consumption.FailsafeConsumptionActivePowerLimit(entity)),
			"production_w":  optional(b.production.FailsafeProductionActivePowerLimit(entity)),
			"duration_s":    optional(duration.Seconds(), durationErr),
		},
		"nominal_max": fields{
			"consumption_w": optional(b.consumption.ConsumptionNominalMax(entity)),
			"production_w":  optional(b.production.ProductionNominalMax(entity)),
		},
		"heartbeat_recent": b.consumption.IsHeartbeatWithinDuration(entity),
	}, nil
}

// answering is a client feature that can call back with the reply to one message.
type answering interface {
	AddResponseCallback(model.MsgCounterType, func(spineapi.ResponseMessage)) error
}

// refreshed reads and waits until the reply has been taken over. The stack registers callbacks and its memory of
// unanswered reads after sending: a fast reply is missed by the first, and stays "unanswered" in the second, which
// then swallows every equal read. Hence the short wait, the tidying up, and the second and third attempt.
func refreshed(sender spineapi.SenderInterface, feature answering, request func() (*model.MsgCounterType, error)) error {
	for range 3 {
		counter, err := request()
		if err != nil {
			return err
		}
		replied := make(chan struct{}, 1)
		err = feature.AddResponseCallback(*counter, func(spineapi.ResponseMessage) { replied <- struct{}{} })
		if err != nil {
			return err
		}
		answered := false
		select {
		case <-replied:
			answered = true
		case <-time.After(time.Second):
		}
		sender.ProcessResponseForMsgCounterReference(counter)
		if answered {
			return nil
		}
	}
	return errNoAnswer
}

func (b *box) gridValues(entity spineapi.EntityRemoteInterface) fields {
	return fields{
		"power_w":     optional(b.grid.Power(entity)),
		"feed_in_wh":  optional(b.grid.EnergyFeedIn(entity)),
		"consumed_wh": optional(b.grid.EnergyConsumed(entity)),
		"currents_a":  optional(b.grid.CurrentPerPhase(entity)),
		"voltages_v":  optional(b.grid.VoltagePerPhase(entity)),
		"frequency":   optional(b.grid.Frequency(entity)),
	}
}

func (b *box) unitValues(entity spineapi.EntityRemoteInterface) fields {
	return fields{
		"power_w":      optional(b.units.Power(entity)),
		"powers_w":     optional(b.units.PowerPerPhase(entity)),
		"consumed_wh":  optional(b.units.EnergyConsumed(entity)),
		"produced_wh":  optional(b.units.EnergyProduced(entity)),
		"currents_a":   optional(b.units.CurrentPerPhase(entity)),
		"voltages_v":   optional(b.units.VoltagePerPhase(entity)),
		"frequency_hz": optional(b.units.Frequency(entity)),
	}
}

func (b *box) readGrid(command readCommand) (any, error) {
	return b.readMeasured(command, b.grid, b.gridValues)
}

func (b *box) readUnit(command readCommand) (any, error) {
	return b.readMeasured(command, b.units, b.unitValues)
}

func (b *box) readMeasured(
	command readCommand, useCase eebusapi.UseCaseInterface, values func(spineapi.EntityRemoteInterface) fields,
) (any, error) {
	entity, err := b.entityFor(command.SKI, useCase)
	if err != nil {
		return nil, err
	}
	if command.Refresh {
		measurement, err := client.NewMeasurement(b.entity, entity)
		if err != nil {
			return nil, err
		}
		if err := refreshed(entity.Device().Sender(), measurement, func() (*model.MsgCounterType, error) {
			return measurement.RequestData(nil, nil)
		}); err != nil {
			return nil, err
		}
	}
	return values(entity), nil
}

// status lists every connected device with its entities and announced use cases, and the units that report power.
func (b *box) status(struct{}) (any, error) {
	devices := []fields{}
	for _, device := range b.peer.device.RemoteDevices() {
		devices = append(devices, deviceView(device))
	}
	units := []fields{}
	for _, unit := range b.units.RemoteEntitiesScenarios() {
		units = append(units, fields{
			"ski": unit.Entity.Device().Ski(), "entity": unit.Entity.Address().Entity,
			"power_w": optional(b.units.Power(unit.Entity)),
		})
	}
	return fields{
		"devices": devices,
		"supported": fields{
			"lpc": skis(b.consumption), "lpp": skis(b.production), "mgcp": skis(b.grid), "mpc": skis(b.units),
		},
		"units": units,
	}, nil
}

func deviceView(device spineapi.DeviceRemoteInterface) fields {
	entities := []fields{}
	for _, entity := range device.Entities() {
		entities = append(entities, fields{"address": entity.Address().Entity, "type": entity.EntityType()})
	}
	return fields{
		"ski": device.Ski(), "address": device.Address(), "type": device.DeviceType(),
		"entities": entities, "use_cases": device.UseCases(),
	}
}

func skis(useCase eebusapi.UseCaseInterface) []string {
	found := []string{}
	for _, remote := range useCase.RemoteEntitiesScenarios() {
		found = append(found, remote.Entity.Device().Ski())
	}
	return found
}
