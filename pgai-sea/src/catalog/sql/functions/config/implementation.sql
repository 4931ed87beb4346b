-- Every configuration is an object that says what it configures and which implementation it is for. Returns the
-- implementation, or refuses the object and names the argument of ai.create_vectorizer.
create or replace function ai._vectorizer_implementation(argument text, config jsonb, variadic known text[])
returns text language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
declare
    implementation text := config ->> 'implementation';
begin
    if config is null or jsonb_typeof(config) <> 'object' or config ->> 'config_type' is distinct from argument then
        raise exception '% is not a % configuration: %', argument, argument, coalesce(config::text, 'null')
            using hint = format('Use one of: ai.%1$s_%2$s().', argument, array_to_string(known, format('(), ai.%s_', argument)));
    end if;
    if implementation is null or implementation <> all (known) then
        raise exception '% has no implementation "%": use one of %'
            , argument, coalesce(implementation, ''), array_to_string(known, ', ');
    end if;
    return implementation;
end
$$;

-- A whole number of a configuration, within bounds. Null if it is left out.
create or replace function ai._vectorizer_number_between(argument text, config jsonb, option text, lowest int, highest int)
returns int language plpgsql immutable set search_path to pg_catalog, pg_temp
as $$
declare
    value jsonb := config -> option;
begin
    if value is null or value = 'null' then
        return null;
    end if;
    if jsonb_typeof(value) <> 'number' or value::numeric <> trunc(value::numeric)
    or value::numeric not between lowest and highest then
        raise exception '%: % is %, it must be a whole number from % to %', argument, option, value, lowest, highest;
    end if;
    return value::int;
end
$$;
