package main

import (
	"errors"
	"fmt"
	"time"

	eebusapi "github.com/enbility/eebus-go/api"
	"github.com/enbility/eebus-go/features/client"
	ucapi "github.com/enbility/eebus-go/usecases/api"
	"github.com/enbility/eebus-go/usecases/eg/lpc"
	"github.com/enbility/eebus-go/usecases/eg/lpp"
	"github.com/enbility/eebus-go/usecases/ma/mgcp"
	"github.com/enbility/eebus-go/usecases/ma/mpc"
	shipapi "github.com/enbility/ship-go/api"
	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
	"github.com/enbility/spine-go/spine"
	"github.com/enbility/spine-go/util"
)

// box is the Steuerbox: energy guard for consumption and production, monitoring appliance for the grid connection
// point and for single units, all on one GridGuard entity.
type box struct {
	peer    *node
	entity  spineapi.EntityLocalInterface
	results *results

	consumption ucapi.EgLPCInterface
	production  ucapi.EgLPPInterface
	grid        ucapi.MaMGCPInterface
	units       ucapi.MaMPCInterface
}

func (b *box) describe() description {
	return description{
		model:      "Box",
		category:   shipapi.DeviceCategoryTypeGridConnectionHub,
		deviceType: model.DeviceTypeTypeElectricitySupplySystem,
		entity:     model.EntityTypeTypeGridGuard,
	}
}

func (b *box) attach(peer *node, device *spine.DeviceLocal, entity spineapi.EntityLocalInterface) error {
	b.peer, b.entity = peer, entity
	b.consumption = lpc.NewLPC(entity, b.onEvent)
	b.production = lpp.NewLPP(entity, b.onEvent)
	b.grid = mgcp.NewMGCP(entity, b.onEvent)
	b.units = mpc.NewMPC(entity, b.onEvent)
	for _, useCase := range []eebusapi.UseCaseInterface{b.consumption, b.production, b.grid, b.units} {
		if err := addUseCase(useCase); err != nil {
			return err
		}
	}
	for _, kind := range []model.FeatureTypeType{
		model.FeatureTypeTypeLoadControl, model.FeatureTypeTypeDeviceConfiguration,
	} {
		entity.FeatureOfTypeAndRole(kind, model.RoleTypeClient).AddResultCallback(b.results.deliver)
	}
	device.NodeManagement().AddResultCallback(b.onCallResult)
	return nil
}

// onCallResult reports refused subscriptions and bindings. The stack itself never learns the outcome: it waits for
// these results at the client feature, but they are addressed to the node management that sent the call.
func (b *box) onCallResult(message spineapi.ResponseMessage) {
	result, ok := message.Data.(*model.ResultDataType)
	if !ok || result.ErrorNumber == nil || *result.ErrorNumber == model.ErrorNumberTypeNoError {
		return
	}
	b.peer.out.event("call_refused", fields{
		"ski": message.DeviceRemote.Ski(), "error_number": *result.ErrorNumber, "description": result.Description,
	})
}

// events of the use cases that become lines; the others only say that data came which read_back shows.
var boxEvents = map[eebusapi.EventType]fields{
	lpc.UseCaseSupportUpdate:                          {"event": "use_case_support", "use_case": "lpc"},
	lpp.UseCaseSupportUpdate:                          {"event": "use_case_support", "use_case": "lpp"},
	mgcp.UseCaseSupportUpdate:                         {"event": "use_case_support", "use_case": "mgcp"},
	mpc.UseCaseSupportUpdate:                          {"event": "use_case_support", "use_case": "mpc"},
	lpc.DataUpdateLimit:                               {"event": "limit_seen", "direction": "consumption"},
	lpp.DataUpdateLimit:                               {"event": "limit_seen", "direction": "production"},
	lpc.DataUpdateFailsafeConsumptionActivePowerLimit: {"event": "failsafe_seen", "direction": "consumption"},
	lpp.DataUpdateFailsafeProductionActivePowerLimit:  {"event": "failsafe_seen", "direction": "production"},
	lpc.DataUpdateHeartbeat:                           {"event": "heartbeat_seen"},
	mgcp.DataUpdatePower:                              {"event": "mgcp", "value": "power"},
	mgcp.DataUpdateEnergyFeedIn:                       {"event": "mgcp", "value": "feed_in"},
	mgcp.DataUpdateEnergyConsumed:                     {"event": "mgcp", "value": "consumed"},
	mpc.DataUpdatePower:                               {"event": "mpc", "value": "power"},
	mpc.DataUpdatePowerPerPhase:                       {"event": "mpc", "value": "powers"},
	mpc.DataUpdateEnergyConsumed:                      {"event": "mpc", "value": "consumed"},
	mpc.DataUpdateEnergyProduced:                      {"event": "mpc", "value": "produced"},
	mpc.DataUpdateCurrentsPerPhase:                    {"event": "mpc", "value": "currents"},
	mpc.DataUpdateVoltagePerPhase:                     {"event": "mpc", "value": "voltages"},
	mpc.DataUpdateFrequency:                           {"event": "mpc", "value": "frequency"},
}

func (b *box) onEvent(
	ski string, _ spineapi.DeviceRemoteInterface, entity spineapi.EntityRemoteInterface, event eebusapi.EventType,
) {
	at := time.Now()
	about, known := boxEvents[event]
	if !known {
		return
	}
	line := fields{"ski": ski}
	for name, value := range about {
		line[name] = value
	}
	switch about["event"] {
	case "use_case_support":
		line["present"] = entity != nil
	case "limit_seen":
		line["limit"] = b.limitOf(about["direction"].(string), entity)
	case "mgcp":
		line["values"] = b.gridValues(entity)
	case "mpc":
		line["values"] = b.unitValues(entity)
	}
	b.peer.out.eventAt(at, about["event"].(string), line)
}

// target names the partner of a command; it may be empty while only one is connected.
type target struct {
	SKI string `json:"ski"`
}

// entityFor finds the one entity of a partner that serves a use case.
func (b *box) entityFor(ski string, useCase eebusapi.UseCaseInterface) (spineapi.EntityRemoteInterface, error) {
	var found spineapi.EntityRemoteInterface
	for _, candidate := range useCase.RemoteEntitiesScenarios() {
		if ski != "" && candidate.Entity.Device().Ski() != ski {
			continue
		}
		if found != nil {
			return nil, errors.New("more than one partner serves this, name its ski")
		}
		found = candidate.Entity
	}
	if found == nil {
		return nil, errors.New("no partner serves this use case")
	}
	return found, nil
}

func (b *box) useCaseOf(direction string) (eebusapi.UseCaseInterface, model.EnergyDirectionType, error) {
	switch direction {
	case "consumption":
		return b.consumption, model.EnergyDirectionTypeConsume, nil
	case "production":
		return b.production, model.EnergyDirectionTypeProduce, nil
	default:
		return nil, "", fmt.Errorf("unknown direction %q", direction)
	}
}

func (b *box) handle(command string, line []byte) (any, error) {
	switch command {
	case "limit":
		return decodeAnd(line, b.writeLimit)
	case "burst":
		return decodeAnd(line, b.burst)
	case "failsafe":
		return decodeAnd(line, b.writeFailsafe)
	case "heartbeat":
		return decodeAnd(line, b.switchHeartbeat)
	case "read_back":
		return decodeAnd(line, b.readBack)
	case "mgcp":
		return decodeAnd(line, b.readGrid)
	case "mpc":
		return decodeAnd(line, b.readUnit)
	case "status":
		return decodeAnd(line, b.status)
	default:
		return nil, fmt.Errorf("unknown command %q", command)
	}
}

func (b *box) switchHeartbeat(command struct{ On bool }) (any, error) {
	if command.On {
		b.consumption.StartHeartbeat()
	} else {
		b.consumption.StopHeartbeat()
	}
	return nil, nil
}

// limitCommand: members that are absent are absent on the wire as well.
type limitCommand struct {
	target
	Direction      string   `json:"direction"`
	ValueW         *float64 `json:"value_w"`
	Active         *bool    `json:"active"`
	DurationS      *float64 `json:"duration_s"`
	DeleteDuration bool     `json:"delete_duration"`
}

func (b *box) writeLimit(command limitCommand) (any, error) {
	useCase, direction, err := b.useCaseOf(command.Direction)
	if err != nil {
		return nil, err
	}
	entity, err := b.entityFor(command.SKI, useCase)
	if err != nil {
		return nil, err
	}
	control, err := client.NewLoadControl(b.entity, entity)
	if err != nil {
		return nil, err
	}
	item, err := limitItem(control, direction, command)
	if err != nil {
		return nil, err
	}
	var selectors *model.LoadControlLimitListDataSelectorsType
	var elements *model.LoadControlLimitDataElementsType
	if command.DeleteDuration {
		selectors = &model.LoadControlLimitListDataSelectorsType{LimitId: item.LimitId}
		elements = &model.LoadControlLimitDataElementsType{TimePeriod: &model.TimePeriodElementsType{}}
	}
	return b.write(entity, func() (*model.MsgCounterType, error) {
		return control.WriteLimitData([]model.LoadControlLimitDataType{*item}, selectors, elements)
	})
}

func limitItem(
	control *client.LoadControl, direction model.EnergyDirectionType, command limitCommand,
) (*model.LoadControlLimitDataType, error) {
	descriptions, err := control.GetLimitDescriptionsForFilter(model.LoadControlLimitDescriptionDataType{
		LimitType:      util.Ptr(model.LoadControlLimitTypeTypeSignDependentAbsValueLimit),
		LimitDirection: &direction,
		ScopeType:      util.Ptr(model.ScopeTypeTypeActivePowerLimit),
	})
	if err != nil || len(descriptions) != 1 {
		return nil, fmt.Errorf("the partner describes %d such limits: %v", len(descriptions), err)
	}
	item := &model.LoadControlLimitDataType{LimitId: descriptions[0].LimitId, IsLimitActive: command.Active}
	if command.ValueW != nil {
		item.Value = model.NewScaledNumberType(*command.ValueW)
	}
	if command.DurationS != nil {
		item.TimePeriod = &model.TimePeriodType{
			EndTime: model.NewAbsoluteOrRelativeTimeTypeFromDuration(seconds(*command.DurationS)),
		}
	}
	return item, nil
}

func seconds(value float64) time.Duration {
	return time.Duration(value * float64(time.Second))
}

// write sends and waits for the result; the time between is what the partner and the wire took.
func (b *box) write(
	entity spineapi.EntityRemoteInterface, send func() (*model.MsgCounterType, error),
) (fields, error) {
	sent := time.Now()
	counter, err := send()
	if err != nil {
		return nil, err
	}
	got, err := b.results.await(entity.Device().Ski(), *counter)
	if err != nil {
		return nil, err
	}
	return fields{
		"msg_counter": *counter, "error_number": got.number, "description": got.description,
		"sent_ns": sent.UnixNano(), "answered_ns": got.at.UnixNano(), "latency_ns": got.at.Sub(sent).Nanoseconds(),
	}, nil
}

type burstCommand struct {
	limitCommand
	Count int `json:"count"`
}

// burst writes the same limit again and again, each after the result of the one before, with values that differ
// by one watt so that every write changes data and is notified.
func (b *box) burst(command burstCommand) (any, error) {
	if command.ValueW == nil {
		return nil, errors.New("a burst needs a value")
	}
	first := *command.ValueW
	latencies := make([]int64, 0, command.Count)
	refused := 0
	for index := range command.Count {
		value := first + float64(index%2)
		command.ValueW = &value
		written, err := b.writeLimit(command.limitCommand)
		if err != nil {
			return nil, err
		}
		result := written.(fields)
		latencies = append(latencies, result["latency_ns"].(int64))
		if result["error_number"].(uint) != 0 {
			refused++
		}
	}
	return fields{"latencies_ns": latencies, "refused": refused}, nil
}

type failsafeCommand struct {
	target
	ConsumptionW *float64 `json:"consumption_w"`
	ProductionW  *float64 `json:"production_w"`
	DurationS    *float64 `json:"duration_s"`
}

// writeFailsafe writes all named values with one message, without the range checks that eebus-go does itself, so
// that the partner's checks are seen.
func (b *box) writeFailsafe(command failsafeCommand) (any, error) {
	entity, err := b.entityFor(command.SKI, b.consumption)
	if err != nil {
		return nil, err
	}
	configuration, err := client.NewDeviceConfiguration(b.entity, entity)
	if err != nil {
		return nil, err
	}
	var items []model.DeviceConfigurationKeyValueDataType
	add := func(name model.DeviceConfigurationKeyNameType, value model.DeviceConfigurationKeyValueValueType) error {
		key, err := keyNumber(configuration, name)
		if err == nil {
			items = append(items, model.DeviceConfigurationKeyValueDataType{KeyId: key, Value: &value})
		}
		return err
	}
	if command.ConsumptionW != nil {
		err = errors.Join(err, add(model.DeviceConfigurationKeyNameTypeFailsafeConsumptionActivePowerLimit,
			model.DeviceConfigurationKeyValueValueType{ScaledNumber: model.NewScaledNumberType(*command.ConsumptionW)}))
	}
	if command.ProductionW != nil {
		err = errors.Join(err, add(model.DeviceConfigurationKeyNameTypeFailsafeProductionActivePowerLimit,
			model.DeviceConfigurationKeyValueValueType{ScaledNumber: model.NewScaledNumberType(*command.ProductionW)}))
	}
	if command.DurationS != nil {
		err = errors.Join(err, add(model.DeviceConfigurationKeyNameTypeFailsafeDurationMinimum,
			model.DeviceConfigurationKeyValueValueType{Duration: model.NewDurationType(seconds(*command.DurationS))}))
	}
	if err != nil {
		return nil, err
	}
	return b.write(entity, func() (*model.MsgCounterType, error) { return configuration.WriteKeyValues(items) })
}

func keyNumber(
	configuration *client.DeviceConfiguration, name model.DeviceConfigurationKeyNameType,
) (*model.DeviceConfigurationKeyIdType, error) {
	descriptions, err := configuration.GetKeyValueDescriptionsForFilter(
		model.DeviceConfigurationKeyValueDescriptionDataType{KeyName: &name})
	if err != nil || len(descriptions) != 1 {
		return nil, fmt.Errorf("the partner describes %d keys %s: %v", len(descriptions), name, err)
	}
	return descriptions[0].KeyId, nil
}
