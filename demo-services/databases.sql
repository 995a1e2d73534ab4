-- A database for each service, made when PostgreSQL starts for the first time.
CREATE DATABASE gateway;
CREATE DATABASE orders;
CREATE DATABASE inventory;
CREATE DATABASE payments;
CREATE DATABASE notifications;
